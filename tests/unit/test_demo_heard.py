"""The demo as an installation hears it: once, as a whole, and never against anybody's will."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from overheard import demo
from overheard.brands import Spec
from overheard.demo import heard
from overheard.privacy import Privacy
from overheard.store import brands, posts, series
from overheard.store.database import Database
from overheard.store.tables.heard import Gap, Mention, Post

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
PRIVACY = Privacy(b"a secret of the test")


def keep(database: Database, folder: Path, now: datetime = NOW) -> bool:
    return heard.keep(database, PRIVACY, folder / "demo.json", now)


def count(database: Database, table: type[Post] | type[Mention]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_fresh_installation_hears_the_demo_up_to_now(either: Database, tmp_path: Path) -> None:
    assert keep(either, tmp_path)
    with either.read() as session:
        found = brands.all_of_them(session)
        newest = session.scalar(select(func.max(Post.posted_at)))
        assert {brand.id for brand in found} == heard.ids(session)
    assert [(brand.name, brands.spec_of(brand).competitors) for brand in found] == [
        ("Norrbean", ("Tazzamo",)),
        ("Tazzamo", ("Norrbean",)),
    ]
    assert count(either, Post) == count(either, Mention) == len(demo.posts())
    assert newest is not None
    assert NOW - timedelta(hours=6) < newest <= NOW


def test_a_second_start_adds_nothing(either: Database, tmp_path: Path) -> None:
    keep(either, tmp_path)
    assert not keep(either, tmp_path, NOW + timedelta(days=3))
    assert count(either, Mention) == len(demo.posts())


def test_a_deleted_demo_never_comes_back(either: Database, tmp_path: Path) -> None:
    keep(either, tmp_path)
    with either.read() as session:
        ids = heard.ids(session)
    for brand_id in ids:
        brands.remove(either, brand_id)
    assert count(either, Post) == 0
    assert not keep(either, tmp_path)
    assert count(either, Post) == 0


def test_whoever_has_a_brand_is_shown_no_demo(either: Database, tmp_path: Path) -> None:
    with either.write() as session:
        brands.add(session, "Acme", Spec(), NOW)
    assert not keep(either, tmp_path)
    assert count(either, Post) == 0


def test_a_demo_that_was_cut_off_is_completed_with_the_dates_it_began_with(
    either: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = posts.keep, iter(range(100))

    def cut_off(*args: object, **options: object) -> posts.Kept:
        if next(calls) == 8:  # in the second brand
            raise KeyboardInterrupt
        return whole(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(posts, "keep", cut_off)
    with pytest.raises(KeyboardInterrupt):
        keep(either, tmp_path)
    assert 0 < count(either, Post) < len(demo.posts())
    assert keep(either, tmp_path, NOW + timedelta(days=3))
    assert count(either, Post) == len(demo.posts())
    with either.read() as session:
        assert session.scalar(select(func.max(Post.posted_at))) <= NOW  # type: ignore[operator]


def test_each_brand_has_one_gap_in_which_nothing_was_heard(either: Database, tmp_path: Path) -> None:
    keep(either, tmp_path)
    with either.read() as session:
        gaps = session.scalars(select(Gap)).all()
        assert len(gaps) == 2
        for gap in gaps:
            assert gap.until - gap.since > timedelta(hours=3)
        for brand_id in heard.ids(session):
            points = series.read(session, brand_id, [NOW - timedelta(days=15), NOW])
            assert [point.is_complete for point in points] == [False]
