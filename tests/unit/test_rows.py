import datetime as dt
import decimal
import json
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overheard.errors import DataError
from overheard.rows import CHUNK_ROWS, create, open_rows, open_upload, texts

SUFFIXES = [".csv", ".jsonl", ".ndjson", ".parquet"]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def copy(source: Path, target: Path) -> Path:
    rows = open_rows(source)
    with closing(create(target, rows.schema)) as out:
        for chunk in rows.chunks():
            out.write(chunk)
    return target


def read(path: Path) -> list[dict]:
    return [row for chunk in open_rows(path).chunks() for row in chunk.to_pylist()]


def all_texts(path: Path, column: str = "text") -> list[str | None]:
    rows = open_rows(path)
    rows.require_text(column)
    return [text for chunk in rows.chunks([column]) for text in texts(chunk, column)]


@pytest.mark.parametrize("last", SUFFIXES)
@pytest.mark.parametrize("first", SUFFIXES)
def test_texts_survive_every_way_from_format_to_format(tmp_path, first, last):
    said = ["plain", 'with "quotes", commas', "two\nlines\r\nor three", "naïve 🎉 \u2028 ünïcode", "x" * 200_000]
    start = tmp_path / f"start{first}"
    with closing(create(start, pa.schema([("text", pa.string())]))) as out:
        out.write(pa.table({"text": said}))
    assert all_texts(copy(start, tmp_path / f"end{last}")) == said


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_long_files_come_in_chunks_in_order(tmp_path, suffix):
    numbers = [f"text {n}" for n in range(2 * CHUNK_ROWS + 7)]
    path = tmp_path / f"posts{suffix}"
    with closing(create(path, pa.schema([("text", pa.string())]))) as out:
        out.write(pa.table({"text": numbers}))
    rows = open_rows(path)
    sizes = [chunk.num_rows for chunk in rows.chunks()]
    assert rows.count == sum(sizes) == len(numbers)
    assert max(sizes) <= CHUNK_ROWS
    assert all_texts(path) == numbers


def test_csv_cells_stay_as_they_were_typed(tmp_path):
    content = 'id,price,text\n007,1.50,"a, b"\n1e5,,NaN\n'
    assert copy(write(tmp_path / "a.csv", content), tmp_path / "b.csv").read_text() == content


def test_no_cell_and_no_column_of_a_csv_file_is_run_by_a_spreadsheet(tmp_path):
    said = ['=HYPERLINK("http://x.example";A1)', "+49 30", "-2 degrees", "@ann", "\t=1+1", "\r=1+1", "plain", "-12.5"]
    start = tmp_path / "posts.jsonl"
    start.write_text("\n".join(json.dumps({"text": text, "=col": -1, "tags": ["=1"]}) for text in said))
    once = copy(start, tmp_path / "once.csv")
    shown = [f"'{text}" for text in said[:6]] + said[6:]
    assert all_texts(once) == all_texts(copy(once, tmp_path / "twice.csv")) == shown
    assert read(once)[0] == {"text": shown[0], "'=col": "-1", "tags": '["=1"]'}
    assert all_texts(copy(start, tmp_path / "same.jsonl")) == all_texts(copy(start, tmp_path / "same.parquet")) == said


def test_csv_files_from_excel_lose_their_byte_order_mark(tmp_path):
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbftext,id\r\nhello,1\r\n")
    assert read(path) == [{"text": "hello", "id": "1"}]


def test_jsonl_values_of_every_kind_come_back_as_they_were(tmp_path):
    objects = [
        {"id": 9007199254740993, "text": "a", "mixed": 1, "tags": ["x", {"y": None}], "ok": True, "score": 0.1},
        {"id": 2, "text": "b", "mixed": "one", "tags": None, "ok": None, "score": 2, "huge": 10**30},
    ]
    path = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(o) for o in objects))
    again = [json.loads(line) for line in copy(path, tmp_path / "b.jsonl").read_text().splitlines()]
    assert again == [{**objects[0], "huge": None}, objects[1]]


def test_jsonl_numbers_become_parquet_numbers(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "a", "id": 1, "share": 0.5}\n{"text": "b", "id": 2, "share": 1}\n')
    schema = pq.read_schema(copy(path, tmp_path / "b.parquet"))
    assert [str(kind) for kind in schema.types] == ["string", "int64", "double"]


def test_half_of_an_emoji_becomes_a_replacement_character(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "cut \\ud83d off"}\n{"text": "whole \\ud83d\\ude00"}\n')
    assert all_texts(path) == ["cut \ufffd off", "whole 😀"]


def test_parquet_keeps_its_schema_with_metadata(tmp_path):
    fields = [
        pa.field("id", pa.uint64(), nullable=False, metadata={"note": "ours"}),
        pa.field("at", pa.timestamp("ns", tz="UTC")),
        pa.field("topic", pa.dictionary(pa.int32(), pa.string())),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("price", pa.decimal128(9, 2)),
        pa.field("text", pa.large_string()),
    ]
    schema = pa.schema(fields, metadata={"owner": "us"})
    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    row = {
        "id": 2**64 - 1,
        "at": moment,
        "topic": "x",
        "tags": ["a", None],
        "price": decimal.Decimal("1.50"),
        "text": "t",
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist([row] * 3, schema=schema), path)
    copied = pq.read_table(copy(path, tmp_path / "b.parquet"))
    assert copied.schema.equals(pq.read_schema(path), check_metadata=True)
    assert copied.equals(pq.read_table(path))


def test_parquet_values_are_readable_as_csv_and_jsonl(tmp_path):
    table = pa.table(
        {
            "at": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)], pa.timestamp("ms", tz="UTC")),
            "tags": pa.array([["a", "ü"]]),
            "share": pa.array([0.1], pa.float32()),
            "none": pa.array([float("nan")]),
            "flag": pa.array([True]),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    csv_line = copy(path, tmp_path / "b.csv").read_text().splitlines()[1]
    assert csv_line == '2026-01-02 03:04:05.000Z,"[""a"", ""ü""]",0.1,,true'
    row = json.loads(copy(path, tmp_path / "b.jsonl").read_text())
    assert row == {"at": "2026-01-02 03:04:05.000Z", "tags": ["a", "ü"], "share": 0.1, "none": None, "flag": True}


def test_null_nan_and_blank_cells_are_no_text_and_numbers_among_texts_are(tmp_path):
    path = write(
        tmp_path / "a.jsonl", '{"text": null}\n{"text": NaN}\n{"text": " \\t"}\n{"id": 1}\n{"text": 42}\n{"text": "a"}'
    )
    assert all_texts(path) == [None, None, None, None, "42", "a"]


def test_pandas_categories_are_text(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["a", None, "a"]).dictionary_encode()}), path)
    assert all_texts(path) == ["a", None, "a"]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", None, "No such file"),
        ("a.txt", "text\na\n", r"ends in \.csv, \.jsonl, \.ndjson, \.parquet"),
        ("a.csv", "", "is empty"),
        ("a.csv", "\n\n", "is empty"),
        ("a.csv", "text,id\n", "has no rows"),
        ("a.csv", "text,text\na,b\n", "two columns named 'text'"),
        ("a.csv", 'text,id\n"two\nlines",1\nthree,2,3\n', "line 4 has 3 cells, the header has 2"),
        ("a.csv", 'text,id\na,1\n"never closed,2\nb,3\n', "line 3 is not valid CSV"),
        ("a.csv", 'text,id\na,1\n"closed"early,2\n', "line 3 is not valid CSV"),
        ("a.csv", b"text,id\na,1\ncaf\xe9,2\n", "line 3 is not UTF-8"),
        ("a.csv", "text\na\n".encode("utf-16"), "line 1 is not UTF-8"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', "line 2 is not valid JSON"),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', "line 2 is no JSON object"),
        ("a.jsonl", "[" * 100_000, "line 1 is not valid JSON"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "\xff"}\n', "line 2 is not UTF-8"),
        ("a.parquet", "PAR1 and then nothing", "not a Parquet file"),
        ("a.parquet", "", "is empty"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(tmp_path, name, content, complaint):
    path = tmp_path / name
    if content is not None:
        write(path, content)
    with pytest.raises(DataError, match=complaint) as caught:
        open_rows(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path):
    folder = tmp_path / "posts.csv"
    folder.mkdir()
    with pytest.raises(DataError, match="directory"):
        open_rows(folder)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "id,body\n1,a\n", "no column 'text'; its columns are id, body"),
        ("a.jsonl", '{"text": 1}\n{"text": 2}\n', "'text' holds int64, no text"),
        ("a.jsonl", '{"text": "a"}\n{"text": ["b"]}\n', "line 2: 'text' is no text"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b"}\n{"text": true}\n', "line 3: 'text' is no text"),
    ],
)
def test_a_column_without_text_is_refused(tmp_path, name, content, complaint):
    rows = open_rows(write(tmp_path / name, content))
    with pytest.raises(DataError, match=complaint):
        rows.require_text("text")


def test_a_parquet_file_damaged_in_the_middle_is_said_to_be(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {n}" for n in range(10_000)]}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[1000:3000] = bytes(2000)
    path.write_bytes(content)
    rows = open_rows(path)
    with pytest.raises(DataError, match="is damaged"):
        list(rows.chunks())


@pytest.mark.parametrize(("kind", "first", "good"), [("csv", b"text\n", b"%s\n"), ("jsonl", b"", b'{"text": "%s"}\n')])
def test_an_upload_is_read_without_its_malformed_rows_twice_alike_and_tells_them_once(tmp_path, kind, first, good):
    bad = [b'"never closed\n', b"x" * 11_000_000 + b"\n", b"caf\xe9\n", b"\xff" * 3 + b"\n"]
    content = first + b"".join(line + good % b"good %d" % n for n, line in enumerate(bad))
    told = []
    rows = open_upload(
        write(tmp_path / "spooled", content), "a", kind, "text", lambda line, reason: told.append((line, reason))
    )
    start = 2 if first else 1
    assert [line for line, _ in told] == [start, start + 2, start + 4, start + 6]
    assert told[1][1] == "is longer than 10,000,000 bytes"
    for _ in range(2):
        assert [text for chunk in rows.chunks() for text in texts(chunk, "text")] == [f"good {n}" for n in range(4)]
    assert len(told) == rows.count == 4


def test_very_long_rows_come_in_chunks_that_fit_in_memory(tmp_path):
    path = write(tmp_path / "a.csv", "text,note\n" + ("t," + "x" * 1_000_000 + "\n") * 40)
    assert [chunk.num_rows for chunk in open_rows(path).chunks()] == [15, 15, 10]
    table = pa.table({"text": ["t"] * 40, "note": [f"{n}" * 500_000 for n in range(40)]})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    assert max(chunk.num_rows for chunk in open_rows(tmp_path / "a.parquet").chunks()) < 40
