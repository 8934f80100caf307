"""What files have and others don't: columns of any name, three formats, growth and replacement."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from overheard.collectors.base import Asked, Cursor, Page, Post, Topic
from overheard.collectors.file import File
from overheard.errors import DataError, SourceRefused
from overheard.settings import Settings

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read(path: Path, cursor: Cursor | None = None, **options: str) -> list[Page]:
    return list(File(Settings()).read(Asked(Topic(()), str(path), options), cursor or {}, NOW, None))


def posts(pages: list[Page]) -> list[Post]:
    return [post for page in pages for post in page.posts]


def skipped(pages: list[Page]) -> list[str]:
    return [reason for page in pages for reason in page.skipped]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_columns_of_the_usual_names_are_understood(tmp_path: Path) -> None:
    head = "id,text,author,created_at,language,reach,url,brand\n"
    row = "7,I like it,ada,2026-02-01 10:00:00+01:00,EN-gb,12.0,https://x.example/7,Acme\n"
    (post,) = posts(read(write(tmp_path / "a.csv", head + row)))
    assert post == Post(
        external_id="a.csv#7",
        text="I like it",
        posted_at=datetime(2026, 2, 1, 9, tzinfo=UTC),
        author="ada",
        url="https://x.example/7",
        language="en",
        reach=12,
        brands=("Acme",),
    )


def test_columns_of_other_names_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Review,Date,Shop\nI like it,2026-02-01,Acme\n")
    (post,) = posts(read(path, text="Review", posted_at="Date", brand="Shop"))
    assert (post.text, post.posted_at, post.brands) == ("I like it", datetime(2026, 2, 1, tzinfo=UTC), ("Acme",))


def test_the_three_formats_say_the_same(tmp_path: Path) -> None:
    rows = [{"id": n, "text": f"text {n}", "posted_at": f"2026-02-01T10:00:0{n}"} for n in range(3)]
    write(tmp_path / "a.csv", "id,text,posted_at\n" + "".join(f"{','.join(map(str, r.values()))}\n" for r in rows))
    write(tmp_path / "a.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    times = [datetime.fromisoformat(row["posted_at"]) for row in rows]
    table = {"id": range(3), "text": [row["text"] for row in rows], "posted_at": pa.array(times, pa.timestamp("us"))}
    pq.write_table(
        pa.table({name: list(v) if name == "id" else v for name, v in table.items()}), tmp_path / "a.parquet"
    )
    found = [
        [
            (post.external_id.partition("#")[2], post.text, post.posted_at)
            for post in posts(read(tmp_path / f"a.{kind}"))
        ]
        for kind in ("csv", "jsonl", "parquet")
    ]
    assert found[0] == found[1] == found[2]
    assert found[0][0] == ("0", "text 0", datetime(2026, 2, 1, 10, tzinfo=UTC))


def test_rows_without_ids_keep_theirs_when_the_file_grows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nsame\nother\nsame\n")
    before = read(path)
    with path.open("a") as file:
        file.write("same\n")
    grown, afresh = read(path, before[-1].cursor), read(path)
    ids = [post.external_id for post in posts(before)]
    assert len(set(ids)) == 3
    assert [post.external_id for post in posts(afresh)] == [*ids, posts(grown)[0].external_id]


def test_a_file_that_has_not_changed_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nhello\n")
    (page,) = read(path)
    assert read(path, page.cursor) == [Page((), page.cursor)]


def test_a_rewritten_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\nhello\n")
    (page,) = read(path)
    write(path, "text\ngoodbye\nand more\n")
    assert [post.text for post in posts(read(path, page.cursor))] == ["goodbye", "and more"]


def test_a_file_that_was_rewritten_in_mid_read_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\n" + "".join(f"old {n}\n" for n in range(700)))
    first, *_ = read(path)
    write(path, "text\n" + "".join(f"new {n}\n" for n in range(700)))
    assert len(posts(read(path, first.cursor))) == 700


def test_bad_rows_are_told_once_with_their_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,posted_at\nfine,2026-02-01\n,2026-02-01\nlate,someday\nfew\n")
    pages = read(path)
    assert [post.text for post in posts(pages)] == ["fine"]
    assert len(skipped(pages)) == 3
    assert "line 5" in skipped(pages)[0]
    assert "row 2 has no text" in skipped(pages)
    assert any("row 3" in reason and "someday" in reason for reason in skipped(pages))
    with path.open("a") as file:
        file.write("better,2026-02-02\n")
    grown = read(path, pages[-1].cursor)
    assert ([post.text for post in posts(grown)], skipped(grown)) == (["better"], [])


def test_a_file_of_nothing_but_bad_lines_does_not_list_them_all(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "fine"}\n' + "{\n" * 5000)
    pages = read(path)
    assert len(posts(pages)) == 1
    assert len(skipped(pages)) == 101
    assert skipped(pages)[-1] == "4900 more lines"


def test_without_a_column_of_times_posts_are_of_now(tmp_path: Path) -> None:
    assert posts(read(write(tmp_path / "a.csv", "text\nhello\n")))[0].posted_at == NOW


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("body\nhello\n", {}, "no column 'text'; its columns are body"),
        ("text\nhello\n", {"posted_at": "Date"}, "no column 'Date'"),
        ("", {}, "is empty"),
    ],
)
def test_a_file_of_no_use_is_refused_with_advice(
    tmp_path: Path, content: str, options: dict[str, str], said: str
) -> None:
    with pytest.raises(SourceRefused, match=said) as raised:
        read(write(tmp_path / "a.csv", content), **options)
    assert raised.value.advice


def test_a_missing_file_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="No such file") as raised:
        read(tmp_path / "a.csv")
    assert raised.value.advice


def test_a_parquet_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="not a Parquet file"):
        read(write(tmp_path / "a.parquet", "text"))


@pytest.mark.parametrize("target", ["", "posts.csv", "/nowhere/posts.csv", "/etc/passwd"])
def test_a_path_that_leads_nowhere_is_told_when_the_feed_is_added(target: str) -> None:
    with pytest.raises(DataError):
        File(Settings()).check(Asked(Topic(()), target))
