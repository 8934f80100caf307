"""Brands: whom people talk about."""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from overheard.brands import Spec, key
from overheard.errors import Conflict, NotFound
from overheard.store import posts
from overheard.store.database import Database
from overheard.store.dialect import inserting
from overheard.store.tables.heard import Brand, Feed, Mention, Post

FORGOTTEN_AT_ONCE: Final = 2000
"""Mentions per transaction: SQLite's other writers wait for a few of these, not for a million."""


def add(session: Session, name: str, spec: Spec, now: datetime) -> tuple[Brand, bool]:
    """The brand, and whether it is new: adding it again changes nothing.

    Raises Conflict when it is described otherwise.
    """
    row = {"name": name, "name_key": key(name), "spec": _stored(spec), "created_at": now, "updated_at": now}
    insert = inserting(session, Brand).values(row).on_conflict_do_nothing(index_elements=["name_key"])
    made = session.scalar(insert.returning(Brand.id))
    brand = named(session, name)
    if brand is None:  # removed between the two
        raise Conflict(f"brand {name!r} is being changed: send again")
    if spec_of(brand) != spec:
        raise Conflict(
            f"brand {brand.name!r} ({brand.id}) is described otherwise: change it with PATCH /brands/{brand.id}"
        )
    return brand, made is not None


def spec_of(brand: Brand) -> Spec:
    return Spec.read(brand.spec)


def _stored(spec: Spec) -> dict[str, Any]:
    return spec.model_dump(mode="json", exclude_defaults=True)


def get(session: Session, brand_id: int) -> Brand:
    """Raises NotFound."""
    return _found(session.get(Brand, brand_id), brand_id)


def _found(brand: Brand | None, brand_id: int) -> Brand:
    if brand is None:
        raise NotFound("brand", str(brand_id), "GET /brands lists them")
    return brand


def named(session: Session, name: str) -> Brand | None:
    """However the name is written."""
    return session.scalar(select(Brand).where(Brand.name_key == key(name)))


def ids_of(session: Session, keys: Iterable[str]) -> dict[str, int]:
    """Key of a name (`overheard.brands.key`) -> id, of those that exist. They stay until the caller commits."""
    found: dict[str, int] = {}
    remaining = iter(keys)
    while some := list(islice(remaining, 500)):
        named = select(Brand.name_key, Brand.id).where(Brand.name_key.in_(some)).order_by(Brand.id)
        found.update(session.execute(named.with_for_update(read=True, key_share=True)).all())
    return found


def page(session: Session, after: tuple[datetime, int] | None, limit: int) -> list[Brand]:
    """Newest first; `after` is (created_at, id) of the last brand that the caller has."""
    query = select(Brand).order_by(Brand.created_at.desc(), Brand.id.desc()).limit(limit)
    if after:
        at, brand_id = after
        query = query.where(or_(Brand.created_at < at, and_(Brand.created_at == at, Brand.id < brand_id)))
    return list(session.scalars(query))


def all_of_them(session: Session) -> list[Brand]:
    return list(session.scalars(select(Brand).order_by(Brand.name_key)))


def change(session: Session, brand_id: int, name: str, spec: Spec, now: datetime) -> Brand:
    """Describe it anew. Its feeds go on where they are. Raises NotFound, and Conflict when another has the name."""
    brand = _found(session.get(Brand, brand_id, with_for_update=True), brand_id)
    if (brand.name, spec_of(brand)) != (name, spec):
        brand.name, brand.name_key, brand.spec, brand.updated_at = name, key(name), _stored(spec), now
        try:
            session.flush()
        except IntegrityError:
            raise Conflict(f"another brand is called {name!r}") from None
    return brand


def remove(database: Database, brand_id: int) -> None:
    """Delete the brand, its feeds and hours, and the posts that mention nobody else, in many short transactions.

    Cut off in between, it is called again and goes on. Raises NotFound.
    """
    with database.write() as session:
        get(session, brand_id)
        session.execute(delete(Feed).where(Feed.brand_id == brand_id))  # first: they would bring more
    while True:
        with database.write() as session:
            if not _forget_some(session, brand_id):
                session.execute(delete(Brand).where(Brand.id == brand_id))
                return


def _forget_some(session: Session, brand_id: int) -> int:
    """How many mentions were deleted, oldest first, with the posts that are then about nobody."""
    of_brand = Mention.brand_id == brand_id
    oldest = select(Mention.posted_at, Mention.post_id).where(of_brand)
    found = session.execute(oldest.order_by(Mention.posted_at, Mention.post_id).limit(FORGOTTEN_AT_ONCE)).all()
    if found:
        ids = [post_id for _, post_id in found]
        until = found[-1].posted_at
        session.execute(delete(Mention).where(of_brand, Mention.posted_at <= until, Mention.post_id.in_(ids)))
        about_nobody = select(Post.id).where(Post.id.in_(ids), ~exists().where(Mention.post_id == Post.id))
        posts.remove(session, session.scalars(about_nobody).all())
    return len(found)
