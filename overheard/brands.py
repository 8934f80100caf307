"""Whom people talk about: a brand's names, what else to look for, and the file that describes them all."""

import tomllib
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from overheard import sources
from overheard.collectors.base import Topic
from overheard.errors import DataError

MAX_CHARS: Final = 100
MAX_TERMS: Final = 100
MAX_KEY_CHARS: Final = 200
MAX_BRANDS: Final = 1000
BY_US: Final = "Value error, "
FAULTS: Final = {"extra_forbidden": "there is no such field", "missing": "is missing"}
_CODES: Final = (
    "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo "
    "es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka "
    "kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng "
    "nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su "
    "sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
ISO_639_1: Final = frozenset(_CODES.split())


def key(text: str) -> str:
    """By which names are the same to people: whatever their case, their spaces and how their letters are composed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def unique(terms: Iterable[str]) -> tuple[str, ...]:
    """Each once, the first of those that differ in case and spaces alone."""
    found: dict[str, str] = {}
    for term in terms:
        found.setdefault(key(term), term)
    return tuple(found.values())


def _term(text: str) -> str:
    term = " ".join(text.split())
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in term):
        raise ValueError("holds control characters")
    if not any(letter.isalnum() for letter in term):
        raise ValueError("holds no letter and no digit")
    if len(term) > MAX_CHARS:
        raise ValueError(f"is longer than {MAX_CHARS} characters")
    return term


def _name(text: str) -> str:
    name = _term(text)
    if len(key(name)) > MAX_KEY_CHARS:
        raise ValueError("is too long")
    return name


def _language(text: str) -> str:
    code = text.strip().lower()
    if code not in ISO_639_1:
        raise ValueError(f"{text[:20]!r} is no ISO 639-1 code, like en")
    return code


def _source(text: str) -> str:
    return str(sources.parse(text))


Name = Annotated[str, AfterValidator(_name)]
Term = Annotated[str, AfterValidator(_term)]
Terms = Annotated[tuple[Term, ...], Field(max_length=MAX_TERMS), AfterValidator(unique)]
Languages = Annotated[
    tuple[Annotated[str, AfterValidator(_language)], ...], Field(max_length=20), AfterValidator(unique)
]
SourceText = Annotated[str, AfterValidator(_source)]


class Spec(BaseModel):
    """What a brand is beyond its name. languages: ISO 639-1; none: any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    aliases: Terms = Field((), description="Other names of it")
    products: Terms = Field((), description="What it makes: a post that names one is about the brand")
    competitors: Terms = Field((), description="Whom it is compared with; not looked for")
    languages: Languages = Field((), description="ISO 639-1 codes; none: any language")
    excluded: Terms = Field((), description="Words of posts that mean something else")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        _refuse_both((*self.aliases, *self.products), self.excluded)
        return self

    @classmethod
    def read(cls, told: dict[str, Any]) -> Self:
        """Raises DataError, which names the fields."""
        try:
            return cls.model_validate(told)
        except ValidationError as error:
            raise DataError("; ".join(_reasons(error))) from None


class Wanted(Spec):
    """A brand as somebody wants it to be. sources: where its posts come from, see `overheard.sources.parse`."""

    name: Name
    sources: Annotated[tuple[SourceText, ...], Field(max_length=MAX_TERMS)] = Field(
        (), description="`x`, `rss:https://…`, `mastodon:https://…`, `hn`, `bluesky`, `file:/…`, `webhook:NAME`"
    )

    @model_validator(mode="after")
    def _is_consistent_with_its_name(self) -> Self:
        _refuse_both((self.name,), self.excluded)
        named = [(source.source, source.target) for source in map(sources.parse, self.sources)]
        if twice := next((target for target in named if named.count(target) > 1), None):
            raise ValueError(f"sources: {':'.join(filter(None, twice))} is named twice")
        return self

    @property
    def spec(self) -> Spec:
        return Spec.model_construct(**{name: getattr(self, name) for name in Spec.model_fields})


class WantedBrands(BaseModel):
    """All that a file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    brand: Annotated[tuple[Wanted, ...], Field(max_length=MAX_BRANDS)] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [key(wanted.name) for wanted in self.brand]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"brand: {twice!r} is described twice")
        return self


def _refuse_both(terms: Iterable[str], excluded: Iterable[str]) -> None:
    if both := {key(term) for term in terms} & {key(word) for word in excluded}:
        raise ValueError(f"excluded: {min(both)!r} is looked for, too")


def topic(name: str, spec: Spec) -> Topic:
    """What to look for: the brand's names and its products."""
    return Topic(unique((name, *spec.aliases, *spec.products)), spec.excluded, spec.languages)


def read_file(path: Path) -> WantedBrands:
    """The brands of a TOML file, each a `[[brand]]`; files that they name are looked for from the file's own folder.

    Raises DataError with all that is wrong, and where.
    """
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from None
    try:
        wanted = WantedBrands.model_validate(told)
    except ValidationError as error:
        raise DataError("\n".join((f"{path} changes nothing:", *(f"  {line}" for line in _reasons(error))))) from None
    if not wanted.brand:
        raise DataError(f"{path} names no brand: each is a [[brand]]")
    return WantedBrands(brand=tuple(_anchored(brand, path.absolute().parent) for brand in wanted.brand))


def _anchored(wanted: Wanted, folder: Path) -> Wanted:
    return wanted.model_copy(update={"sources": tuple(sources.anchored(text, folder) for text in wanted.sources)})


def _reasons(error: ValidationError) -> list[str]:
    """A line per fault: `brand[2].aliases[1]: holds no letter and no digit`; counted from one, as people do."""
    return [
        ": ".join(filter(None, (_place(fault["loc"]), FAULTS.get(fault["type"], fault["msg"]).removeprefix(BY_US))))
        for fault in error.errors(include_input=False, include_url=False)
    ]


def _place(steps: Iterable[str | int]) -> str:
    place = ""
    for step in steps:
        place += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if place else step
    return place
