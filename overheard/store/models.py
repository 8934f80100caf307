"""Model versions, and which of them serves: the champion is one row, changed in one transaction."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from overheard.errors import Conflict, NotFound
from overheard.scoring.bundle import Manifest
from overheard.store.dialect import inserting
from overheard.store.tables.learning import Champion, Model, Taught

THE_ONE = 1


def register(
    session: Session,
    manifest: Manifest,
    now: datetime,
    *,
    location: str = "",
    job_id: str | None = None,
    facts: dict[str, Any] | None = None,
    verdict: dict[str, Any] | None = None,
) -> Model:
    """The version's row, made unless it is there. location: where its bundle is when not in the model store.

    A bundle of the same version may come to say more of itself than it did: what its manifest measures is kept anew.
    """
    model = session.get(Model, manifest.version, with_for_update=True)
    if model is None:
        model = Model(
            version=manifest.version,
            name=manifest.name,
            base=manifest.base,
            location=location,
            data_hash=manifest.data_hash,
            job_id=job_id,
            facts={"metrics": manifest.metrics, **(facts or {})},
            verdict=verdict,
            created_at=now,
        )
        session.add(model)
        session.flush()
    elif model.facts.get("metrics") != manifest.metrics:
        model.facts = {**model.facts, "metrics": manifest.metrics}
    return model


def metrics(session: Session, versions: Collection[str]) -> dict[str, dict[str, Any]]:
    """What their manifests say of them, by version: `prior`, `calibration`, … where they do."""
    found = session.execute(select(Model.version, Model.facts).where(Model.version.in_(versions)))
    return {version: facts.get("metrics") or {} for version, facts in found}


def get(session: Session, version: str) -> Model:
    """Raises NotFound."""
    model = session.get(Model, version)
    if model is None:
        raise NotFound("model", version, "GET /models lists them")
    return model


def page(session: Session, after: tuple[datetime, str] | None, limit: int) -> list[Model]:
    """Newest first; `after` is (created_at, version) of the last model that the caller has."""
    query = select(Model).order_by(Model.created_at.desc(), Model.version.desc()).limit(limit)
    if after:
        at, version = after
        query = query.where(or_(Model.created_at < at, and_(Model.created_at == at, Model.version < version)))
    return list(session.scalars(query))


def champion(session: Session) -> Champion | None:
    """None as long as no model was promoted: the first model serves."""
    return session.get(Champion, THE_ONE)


def serving(session: Session, first_model: str) -> Model | None:
    """The champion; before there is one, the first model, as soon as a scoring worker has made it known."""
    chosen = champion(session)
    return get(session, chosen.version) if chosen else _first(session, first_model)


def _first(session: Session, first_model: str) -> Model | None:
    newest = select(Model).where(Model.location == first_model).order_by(Model.created_at.desc()).limit(1)
    return session.scalar(newest)


def challenger(session: Session) -> Model | None:
    """The newest version that a training made, while it doesn't serve and hasn't served last."""
    newest = session.scalar(select(Model).where(Model.job_id.is_not(None)).order_by(Model.created_at.desc()).limit(1))
    chosen = champion(session)
    is_known = newest is not None and chosen is not None and newest.version in (chosen.version, chosen.previous)
    return None if is_known else newest


def aliases(session: Session, first_model: str) -> dict[str, str]:
    """Version -> `champion`, `previous` or `challenger`, for those that are one."""
    chosen, serves, newest = champion(session), serving(session, first_model), challenger(session)
    found = {newest.version: "challenger"} if newest else {}
    if chosen and chosen.previous:
        found[chosen.previous] = "previous"
    if serves:
        found[serves.version] = "champion"
    return found


def published_last(session: Session) -> Model | None:
    """The model whose way to the Hub was told of last."""
    known = [model for model in session.scalars(select(Model)) if model.published]
    return max(known, key=lambda model: str((model.published or {})["at"]), default=None)


def promote(session: Session, version: str, first_model: str, changed_by: str, reason: str, now: datetime) -> Champion:
    """Let this version serve; a roll-back leads to the one that serves now. Raises NotFound; Conflict if it does."""
    get(session, version)
    chosen = session.get(Champion, THE_ONE, with_for_update=True)
    if chosen is None:
        first = _first(session, first_model)
        if first is not None and first.version == version:
            raise Conflict(f"model {version} serves already")
        chosen = Champion(id=THE_ONE, version=first.version if first else None)
        session.add(chosen)
    elif chosen.version == version:
        raise Conflict(f"model {version} serves already")
    return _change(chosen, version, changed_by, reason, now)


def roll_back(session: Session, changed_by: str, reason: str, now: datetime) -> Champion:
    """Let the previous version serve again; rolling back twice leads back. Raises Conflict when there is none."""
    chosen = session.get(Champion, THE_ONE, with_for_update=True)
    if chosen is None or chosen.previous is None:
        raise Conflict("there is no previous model to roll back to: nothing was promoted yet")
    return _change(chosen, chosen.previous, changed_by, reason, now)


def _change(chosen: Champion, version: str, changed_by: str, reason: str, now: datetime) -> Champion:
    chosen.previous, chosen.version = chosen.version, version
    chosen.changed_by, chosen.reason, chosen.changed_at, chosen.mirrored_at = changed_by, reason, now, None
    return chosen


def teach(session: Session, version: str, text_keys: Collection[str]) -> None:
    """Note that this version has trained on labels of these texts."""
    rows = [{"text_key": text_key, "model": version} for text_key in sorted(text_keys)]
    if rows:
        session.execute(inserting(session, Taught).on_conflict_do_nothing(), rows)


def taught(session: Session, text_keys: Collection[str]) -> list[str]:
    """Versions that have trained on a label of one of these texts."""
    seen = select(Taught.model).where(Taught.text_key.in_(text_keys)).distinct().order_by(Taught.model)
    return list(session.scalars(seen))


def taught_to(session: Session, version: str) -> frozenset[str]:
    """Keys of the texts whose labels this version has trained on, or one that its weights come from."""
    lineage: list[str] = []
    while version not in lineage and (model := session.get(Model, version)):
        lineage.append(version)
        version = str(model.facts.get("params", {}).get("base", ""))
    return frozenset(session.scalars(select(Taught.text_key).where(Taught.model.in_(lineage))))
