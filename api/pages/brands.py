"""Which brand a page is about: the one in its address, else the first that is not the demo's."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import g, request

from api.services import services
from overheard.demo import heard as demo
from overheard.errors import NotFound
from overheard.store import brands


@dataclass(frozen=True)
class Choice:
    """A brand that can be chosen."""

    id: int
    name: str
    competitors: tuple[str, ...]
    is_demo: bool


def all_of_them() -> Sequence[Choice]:
    """By name; read once per request."""
    if "brands" not in g:
        with services().database.read() as session:
            invented = demo.ids(session)
            found = brands.all_of_them(session)
        g.brands = [
            Choice(brand.id, brand.name, tuple(brand.spec.get("competitors", ())), brand.id in invented)
            for brand in found
        ]
    return g.brands  # type: ignore[no-any-return]


def chosen() -> Choice | None:
    """None where there is no brand at all. Raises NotFound for one that the address names and that is not there."""
    wanted = request.args.get("brand", "")
    if wanted:
        for brand in all_of_them():
            if str(brand.id) == wanted:
                return brand
        raise NotFound("brand", wanted[:20])
    return min(all_of_them(), key=lambda brand: (brand.is_demo, brand.id), default=None)


def chosen_if_there() -> Choice | None:
    """For the frame around a page, also around the one that says that there is no such brand."""
    try:
        return chosen()
    except NotFound:
        return None
