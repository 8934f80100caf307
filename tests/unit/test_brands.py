"""How brands are described, where posts come from, and the file that says both."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from overheard import sources
from overheard.brands import Spec, Wanted, key, read_file, topic
from overheard.collectors.base import Topic
from overheard.errors import DataError, SettingsError
from overheard.settings import Settings
from overheard.sources import Source, parse

SETTINGS = Settings()
SHORT = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


def test_a_topic_is_the_brands_names_and_products_each_once() -> None:
    spec = Spec(
        aliases=("ACME", "Acme  Corp"), products=("Zephyr", "acme corp"), excluded=("movie",), languages=("EN",)
    )
    assert topic("Acme", spec) == Topic(("Acme", "Acme Corp", "Zephyr"), ("movie",), ("en",))


@pytest.mark.parametrize(
    ("told", "field", "reason"),
    [
        ({"aliases": ["  "]}, "aliases", "no letter and no digit"),
        ({"aliases": ["!?"]}, "aliases", "no letter and no digit"),
        ({"products": ["a" * 101]}, "products", "longer than 100 characters"),
        ({"products": ["a\0b"]}, "products", "control characters"),
        ({"aliases": [f"name {n}" for n in range(101)]}, "aliases", "at most 100 items"),
        ({"languages": ["english"]}, "languages", "'english' is no ISO 639-1 code, like en"),
        ({"nicknames": ["A"]}, "nicknames", "there is no such field"),
        ({"aliases": "Acme"}, "aliases", "valid tuple"),
        ({"aliases": ["Zephyr"], "excluded": ["ZEPHYR"]}, "excluded", "'zephyr' is looked for, too"),
    ],
)
def test_what_can_not_be_used_is_named(told: dict[str, object], field: str, reason: str) -> None:
    with pytest.raises(DataError) as refused:
        Spec.read(told)
    assert str(refused.value).startswith(field)
    assert reason in str(refused.value)


def test_a_brand_can_not_exclude_its_own_name() -> None:
    with pytest.raises(ValidationError, match="looked for, too"):
        Wanted(name="Acme", excluded=("acme",))


@pytest.mark.parametrize("same", ["acme corp", "  ACME   Corp ", "Ａcme Corp", "acme\u00a0corp"])
def test_names_are_the_same_however_they_are_written(same: str) -> None:
    assert key(same) == key("Acme Corp")


@pytest.mark.parametrize(
    ("text", "source", "canonical"),
    [
        ("x", Source("x"), "x"),
        (" X: ", Source("x"), "x"),
        ("x:acme -is:retweet", Source("x", "acme -is:retweet"), "x:acme -is:retweet"),
        ("rss:HTTPS://News.example/Feed?a=b#top", Source("rss", "https://news.example/Feed?a=b"), None),
        ("mastodon:https://Mastodon.social/", Source("mastodon", "https://mastodon.social"), None),
        ("file:/posts.csv", Source("file", "/posts.csv"), "file:/posts.csv"),
        (
            "file:/posts.csv?text=body&id=tweet%20id",
            Source("file", "/posts.csv", {"text": "body", "id": "tweet id"}),
            "file:/posts.csv?id=tweet%20id&text=body",
        ),
        ("file:/what?.csv?", Source("file", "/what?.csv"), "file:/what?.csv?"),
        ("webhook:shop", Source("webhook", "shop"), "webhook:shop"),
        ("hn", Source("hn"), "hn"),
        ("hn  since_days=30", Source("hn", "", {"since_days": "30"}), "hn since_days=30"),
        ("rss:https://a.example/?q=x match=all", Source("rss", "https://a.example/?q=x", {"match": "all"}), None),
        ("x:acme lang=en", Source("x", "acme lang=en"), "x:acme lang=en"),
    ],
)
def test_sources_have_one_form(text: str, source: Source, canonical: str | None) -> None:
    assert parse(text) == source
    assert canonical is None or str(source) == canonical
    assert parse(str(source)) == source


@settings(max_examples=50)
@given(SHORT, st.dictionaries(SHORT, SHORT, max_size=3))
def test_any_file_and_its_columns_survive_being_written_down(path: str, columns: dict[str, str]) -> None:
    said = Source("file", path, columns)
    assert parse(str(said)) == said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no source"),
        ("https://news.example/feed.xml", "no source 'https'"),
        ("no such thing", "is no source"),
        ("file:", "name a file"),
        ("file:/what?.csv", "should be like text=body"),
        ("webhook", "has a name"),
        ("webhook:7", "has a name"),
        ("webhook:my shop", "has a name"),
        ("rss:https://me:secret@news.example/", "password out of the address"),
        ("x:a\nb", "control characters"),
        ("x:" + "ü" * 1001, "longer than 2,000 bytes"),
    ],
)
def test_what_names_no_source_is_refused(text: str, reason: str) -> None:
    with pytest.raises((ValueError, DataError), match=reason):
        sources.check(parse(text), Topic(("acme",)), SETTINGS)


def test_the_whole_path_of_a_file_is_wanted_and_a_brand_where_words_are_looked_for() -> None:
    with pytest.raises(DataError, match="whole path"):
        sources.check(parse("file:posts.csv"), Topic(("acme",)), SETTINGS)
    with pytest.raises(DataError, match="needs a brand"):
        sources.check(parse("x"), Topic(()), SETTINGS)
    sources.check(parse("webhook:shop"), Topic(()), SETTINGS)


FILE = """
[[brand]]
name = "Acme"
aliases = ["ACME Corp"]
languages = ["en", "de"]
sources = ["x", "file:posts.csv?text=body", "webhook:shop"]

[[brand]]
name = "Rival"
"""


def test_a_file_describes_brands_and_finds_its_files_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "brands.toml"
    file.write_text(FILE)
    acme, rival = read_file(file).brand
    assert acme.sources == ("x", f"file:{tmp_path.resolve()}/posts.csv?text=body", "webhook:shop")
    assert acme.spec == Spec(aliases=("ACME Corp",), languages=("en", "de"))
    assert (rival.name, rival.spec, rival.sources) == ("Rival", Spec(), ())


def test_all_that_is_wrong_in_a_file_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "brands.toml"
    file.write_text('[[brand]]\nname = "A"\naliases = ["B", "?"]\nalias = []\n[[brand]]\nsources = ["x", "what now"]\n')
    with pytest.raises(DataError) as refused:
        read_file(file)
    said = str(refused.value).splitlines()
    assert said[0] == f"{file} changes nothing:"
    places = [line.split(":")[0].strip() for line in said[1:]]
    assert sorted(places) == ["brand[1].alias", "brand[1].aliases[2]", "brand[2].name", "brand[2].sources[2]"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[brand]\n", "is not TOML"),
        ("", "names no brand"),
        ('[[brand]]\nname = "A"\n[[brand]]\nname = " a"\n', "brand: 'a' is described twice"),
        ('[[brand]]\nname = "A"\nsources = ["x", "X:"]\n', "x is named twice"),
        ('[[brands]]\nname = "A"\n', "brands: there is no such field"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "brands.toml").write_text(text)
    with pytest.raises(DataError, match=reason):
        read_file(tmp_path / "brands.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"brands\.toml can't be read: No such file"):
        read_file(tmp_path / "brands.toml")


def test_a_source_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sources.OURS, "x", "no_such_module:X")
    with pytest.raises(SettingsError, match=r"pip install 'overheard\[sources\]'"):
        sources.check(parse("x"), Topic(("acme",)), SETTINGS)
