"""The champion's way to the Hub: tried until it succeeds or can't, told in its row, never in the way of serving."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from overheard import registry
from overheard.errors import OverheardError, PublishFailed
from overheard.publish import publish
from overheard.scoring.bundle import load_manifest
from overheard.settings import Settings
from overheard.store import models
from overheard.store.database import Database
from overheard.store.tables.learning import Model

DONE, FAILED, RETRIED = "published", "failed", "to be tried again"
MAX_TRIES: Final = 20
log = logging.getLogger(__name__)


def publish_champion(database: Database, settings: Settings, now: datetime) -> None:
    """Publish the champion where OVERHEARD_HF_REPO names a repository, unless it was published last or can't be.

    So after a roll-back the repository's main branch holds what serves. A failure that may pass is tried again by the
    next call; the champion's row says how it stands.
    """
    if not settings.hf_repo:
        return
    with database.read() as session:
        chosen = models.champion(session)
        model = models.get(session, chosen.version) if chosen else None
        last = models.published_last(session)
    if model is None or not _is_due(model, last, settings.hf_repo):
        return
    state = _publish(model, settings, settings.hf_repo)
    log.log(logging.INFO if state["state"] == DONE else logging.ERROR, "model %s: %s", model.version, state)
    with database.write() as session:
        models.get(session, model.version).published = {**state, "at": now.isoformat()}


def _is_due(model: Model, last: Model | None, repository: str) -> bool:
    """last: the model that was told of last, published or not."""
    told = model.published or {}
    is_other = last is None or last.version != model.version or told.get("repository") != repository
    return is_other or told["state"] == RETRIED


def card_of(model: Model, bundle: Path, repository: str) -> str:
    """The card of a registered model, as its training and its verdict are known here."""
    from overheard.training.card import card

    known = {**model.facts, "verdict": model.verdict, "manifest": load_manifest(bundle), "repository": repository}
    return card(known)


def _publish(model: Model, settings: Settings, repository: str) -> dict[str, Any]:
    told = model.published or {}
    tries = told["tries"] + 1 if told.get("state") == RETRIED else 1
    told = {"repository": repository, "tries": tries}
    token = settings.hf_token.get_secret_value() if settings.hf_token else None
    try:
        bundle = registry.bundle_of(model, settings)
        where = publish(bundle, card_of(model, bundle, repository), repository, token)
    except PublishFailed as error:
        state = RETRIED if error.can_retry and tries < MAX_TRIES else FAILED
        return {**told, "state": state, "detail": str(error)}
    except OverheardError as error:
        return {**told, "state": FAILED, "detail": str(error)}
    return {**told, "state": DONE, "detail": where}
