"""Whatever is killed at whatever line: every post is stored, and none twice. Real processes, real client libraries."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from overheard.brands import Spec
from overheard.sources import Source
from overheard.store import brands, feeds
from overheard.store.database import Database, migrate
from overheard.store.tables.heard import Feed, Gap, Mention, Post, Unscored
from tests.collectors.case import TERM, Case, OnlineCase
from tests.collectors.cases import CASES
from tests.stack import eventually

PAGES = 4
INSPECTION = """
import sys
from overheard.listening import Listener
from overheard.privacy import Privacy
from overheard.settings import Settings
from overheard.store.database import Database
settings = Settings.load()
said = lambda: print("kept", flush=True)
Listener(Database(settings.sql_url), settings, Privacy(b"a secret of the tests"), said).inspect(int(sys.argv[1]))
"""


class Listening:
    """A feed on a platform, and processes that inspect it."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        case.now = datetime.now(UTC) - timedelta(hours=1)
        self.url = f"sqlite:///{folder / 'test.db'}"
        migrate(self.url)
        self.database, now, asked = Database(self.url), datetime.now(UTC), case.asked()
        with self.database.write() as session:
            brand, _ = brands.add(session, TERM, Spec(), now)
            said = Source(case.source, asked.target, dict(asked.options))
            self.feed_id = feeds.add(session, brand.id, said, every_s=300, now=now)[0].id

    def start(self) -> "subprocess.Popen[str]":
        """An inspection, by a process of its own; it says "kept" after each page that holds something new."""
        with self.database.write() as session:  # whoever was killed has been silent for long enough
            session.execute(update(Feed).values(lease_until=None))
        near = {"database_url": self.url, "feed_hosts": "127.0.0.1"}
        settings: dict[str, Any] = {**self.case.secrets, **self.case.settings(), **near}
        mine = {f"OVERHEARD_{name.upper()}": str(value) for name, value in settings.items()}
        outer = {name: value for name, value in os.environ.items() if not name.startswith("OVERHEARD_")}
        command = [sys.executable, "-c", INSPECTION, str(self.feed_id)]
        return subprocess.Popen(command, env={**outer, **mine}, stdout=subprocess.PIPE, text=True)

    def publish_now(self, text: str) -> list[str]:
        self.case.now = datetime.now(UTC)
        return self.case.publish(text)

    def kill_after(self, is_time: Callable[["subprocess.Popen[str]"], object]) -> None:
        with self.start() as process:
            is_time(process)
            process.kill()

    def finish(self) -> None:
        with self.start() as process:
            assert process.wait(60) == 0

    def stored(self) -> list[str]:
        with self.database.read() as session:
            return sorted(session.scalars(select(Post.external_id)))

    def count(self, table: type) -> int:
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.fixture(params=CASES, ids=lambda kind: kind.source)
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    case = request.param(tmp_path)
    found = Listening(case, tmp_path)
    yield found
    found.database.engine.dispose()
    case.close()


def a_page_is_kept(process: "subprocess.Popen[str]") -> None:
    assert process.stdout
    assert process.stdout.readline() in ("kept\n", "")


@pytest.mark.slow
def test_no_post_is_lost_or_stored_twice_over_three_kills(listening: Listening) -> None:
    case = listening.case
    count = PAGES * (case.page or 10)
    published = case.publish(*(f"{TERM} {number}" for number in range(count)))

    def a_request_is_under_way(_: object) -> object:
        return isinstance(case, OnlineCase) and eventually(lambda: case.server.requests, 30)

    listening.kill_after(a_request_is_under_way)
    listening.kill_after(a_page_is_kept)
    published += listening.publish_now(f"{TERM} meanwhile")
    listening.kill_after(a_page_is_kept)
    listening.finish()  # some go on where they were killed first, and find what came meanwhile with the next
    listening.finish()
    assert listening.stored() == sorted(published)
    assert listening.count(Mention) == listening.count(Unscored) == len(published)
    with listening.database.read() as session:
        feed = session.scalars(select(Feed)).one()
        open_gaps = session.scalars(select(Gap).where(Gap.filled_at.is_(None))).all()
    assert (feed.state, feed.problem, [gap.reason for gap in open_gaps]) == ("ok", None, [])
