"""Bearer keys and the four roles."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, and_, or_, select, update
from sqlalchemy.orm import Session

from overheard.errors import NotFound
from overheard.store.tables.work import Key

TOLD_EVERY: Final = timedelta(minutes=1)


class Role(IntEnum):
    """What a key may do; each role may do all that the ones below it may."""

    viewer = 1
    labeller = 2
    operator = 3
    admin = 4


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def create(session: Session, name: str, role: Role, now: datetime) -> tuple[Key, str]:
    """A new key and its secret, which is shown this once and stored nowhere."""
    secret = _new_secret()
    key = Key(id=str(uuid4()), name=name, role=role.name, hash=digest(secret), created_at=now)
    session.add(key)
    return key, secret


def rotate(session: Session, key_id: str, grace: timedelta, now: datetime) -> tuple[Key, str]:
    """A new secret for a living key; the one that it had opens for as long as `grace`, any older one no more.

    Raises NotFound.
    """
    key = session.scalar(_living().where(Key.id == key_id).with_for_update())
    if key is None:
        raise NotFound("key", key_id)
    secret = _new_secret()
    key.old_hash, key.old_until = (key.hash, now + grace) if grace else (None, None)
    key.hash = digest(secret)
    return key, secret


def find(session: Session, secret: str, now: datetime) -> Key | None:
    """The living key that this secret opens."""
    return session.scalar(_living().where(_opens(digest(secret), now)))


def find_signed_in(session: Session, key_id: str, secret_digest: str, now: datetime) -> Key | None:
    """The living key that the secret with this digest opens still."""
    return session.scalar(_living().where(Key.id == key_id, _opens(secret_digest, now)))


def living(session: Session) -> list[Key]:
    return list(session.scalars(_living().order_by(Key.created_at, Key.id)))


def names(session: Session, key_ids: Collection[str]) -> dict[str, str]:
    """Also of keys that were revoked."""
    return dict(session.execute(select(Key.id, Key.name).where(Key.id.in_(key_ids))).all())


def is_use_untold(key: Key, now: datetime) -> bool:
    """Whether it was last used before this minute, as far as is told: not every request writes."""
    return key.last_used_at is None or now - key.last_used_at >= TOLD_EVERY


def tell_use(session: Session, key_id: str, now: datetime) -> None:
    session.execute(update(Key).where(Key.id == key_id).values(last_used_at=now))


def revoke(session: Session, key_id: str, now: datetime) -> None:
    """Raises NotFound for an unknown id; revoking twice changes nothing."""
    key = session.get(Key, key_id)
    if key is None:
        raise NotFound("key", key_id)
    key.revoked_at = key.revoked_at or now


def _living() -> Select[Key]:
    return select(Key).where(Key.revoked_at.is_(None))


def _opens(secret_digest: str, now: datetime) -> ColumnElement[bool]:
    return or_(Key.hash == secret_digest, and_(Key.old_hash == secret_digest, Key.old_until > now))


def _new_secret() -> str:
    return "ovh_" + secrets.token_urlsafe(32)
