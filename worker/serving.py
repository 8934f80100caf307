"""The model that this worker scores with: it follows the champion, without a pause and without losing a text."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from overheard import demo, registry
from overheard.errors import BundleError, OverheardError
from overheard.scoring.batcher import Batcher
from overheard.scoring.bundle import load_manifest
from overheard.scoring.load import load_engine
from overheard.settings import Settings
from overheard.store import models
from overheard.store.database import Database

LOOK_EVERY_S = 2.0
TRY_AGAIN_S = 30.0
WARMING_TEXTS = 32
STUCK_AFTER_S = 60  # a forward pass takes well under a second
log = logging.getLogger(__name__)


class _Held:
    """A loaded model and how many still use it: it is closed by the last of them, after it was replaced."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher, self.users, self.is_replaced = batcher, 0, False


class Serving:
    """The champion's batcher; another champion is loaded beside it, warmed, and takes its place.

    What can't be loaded is tried again every TRY_AGAIN_S; meanwhile the present model serves on and `problem` says why.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        """Loads the champion, else the model before it, else the first one. Raises BundleError, SettingsError."""
        self._database, self._settings = database, settings
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.problem = ""
        self._failed: tuple[str, float] | None = None
        self._held = _Held(self._first())
        self._thread = threading.Thread(target=self._follow, name="champion", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def current(self) -> Batcher:
        return self._held.batcher

    @contextmanager
    def batcher(self) -> Iterator[Batcher]:
        """The model in service, which stays loaded until the block ends."""
        with self._lock:
            held = self._held
            held.users += 1
        try:
            yield held.batcher
        finally:
            with self._lock:
                held.users -= 1
                is_last = held.is_replaced and not held.users
            if is_last:
                held.batcher.close()

    def facts(self) -> dict[str, Any] | None:
        """For the heartbeat; None while the batcher does not move."""
        batcher = self.current
        if not batcher.alive or batcher.busy_s() > STUCK_AFTER_S:
            return None
        return {
            "model": batcher.engine.version,
            "problem": self.problem,
            "rate": round(batcher.rate, 1),
            "cache_lookups": batcher.cache.lookups,
            "cache_hits": batcher.cache.hits,
            "cache_bytes": batcher.cache.size_bytes,
        }

    def look(self) -> None:
        """Take the champion into service when it is another one by now."""
        wanted = self._wanted()
        if wanted is None or wanted == self.current.engine.version:
            self.problem, self._failed = "", None
            return
        if self._failed and self._failed[0] == wanted and time.monotonic() < self._failed[1]:
            return
        try:
            self._swap(self._load(wanted))
        except (OverheardError, OSError) as error:
            self.problem = f"model {wanted} can't be served: {error}"
            self._failed = wanted, time.monotonic() + TRY_AGAIN_S
            log.error("%s; %s serves on", self.problem, self.current.engine.version)
        else:
            self.problem, self._failed = "", None
            log.info("model %s serves", wanted)

    def _follow(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                self.look()
            except SQLAlchemyError as error:
                log.warning("the database does not say which model serves: %s", error)
            except Exception:  # a thread that ends would leave this worker with an old model for ever
                log.exception("can't follow the champion")

    def _wanted(self) -> str | None:
        with self._database.read() as session:
            model = models.serving(session, self._settings.first_model)
            return model.version if model else None

    def _first(self) -> Batcher:
        with self._database.read() as session:
            chosen = models.champion(session)
        for version in (chosen.version, chosen.previous) if chosen else ():
            try:
                if version:
                    return self._load(version)
            except (OverheardError, OSError) as error:
                self.problem = f"model {version} can't be served: {error}"
                log.error("%s", self.problem)
        return self._load_first()

    def _load_first(self) -> Batcher:
        """OVERHEARD_FIRST_MODEL, and make its version known."""
        settings = self._settings
        bundle = registry.locate(settings.first_model, settings.models, settings.first_model_labels)
        batcher = self._batcher(bundle)
        with self._database.write() as session:
            models.register(session, load_manifest(bundle), datetime.now(UTC), location=settings.first_model)
        return batcher

    def _load(self, version: str) -> Batcher:
        with self._database.read() as session:
            model = models.get(session, version)
        batcher = self._batcher(registry.bundle_of(model, self._settings))
        if batcher.engine.version != version:
            raise BundleError(version, f"its bundle holds version {batcher.engine.version}")
        return batcher

    def _batcher(self, bundle: Path) -> Batcher:
        """Loaded and warmed: its first answer takes as long as its last."""
        engine = load_engine(bundle, self._settings)
        engine.score([post.text for post in demo.posts()][:WARMING_TEXTS])
        return Batcher(engine, cache_bytes=self._settings.score_cache_bytes)

    def _swap(self, batcher: Batcher) -> None:
        with self._lock:
            old, self._held = self._held, _Held(batcher)
            old.is_replaced = True
            is_unused = not old.users
        if is_unused:
            old.batcher.close()
