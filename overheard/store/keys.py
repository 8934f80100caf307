"""Bearer keys and the four roles."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime
from enum import IntEnum
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from overheard.errors import NotFound
from overheard.store.tables.work import Key


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
    secret = "ovh_" + secrets.token_urlsafe(32)
    key = Key(id=str(uuid4()), name=name, role=role.name, hash=digest(secret), created_at=now)
    session.add(key)
    return key, secret


def find(session: Session, secret: str) -> Key | None:
    """The living key with this secret."""
    return session.scalar(select(Key).where(Key.hash == digest(secret), Key.revoked_at.is_(None)))


def living_one(session: Session, key_id: str) -> Key | None:
    return session.scalar(select(Key).where(Key.id == key_id, Key.revoked_at.is_(None)))


def living(session: Session) -> list[Key]:
    return list(session.scalars(select(Key).where(Key.revoked_at.is_(None)).order_by(Key.created_at, Key.id)))


def names(session: Session, key_ids: Collection[str]) -> dict[str, str]:
    """Also of keys that were revoked."""
    return dict(session.execute(select(Key.id, Key.name).where(Key.id.in_(key_ids))).all())


def revoke(session: Session, key_id: str, now: datetime) -> None:
    """Raises NotFound for an unknown id; revoking twice changes nothing."""
    key = session.get(Key, key_id)
    if key is None:
        raise NotFound("key", key_id)
    key.revoked_at = key.revoked_at or now
