"""What pages tell of a post besides its text, and of those who did something."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from redis import RedisError
from sqlalchemy.orm import Session

from api.pages.site import blueprint
from overheard.errors import SettingsError
from overheard.store import keys
from worker import timetable

RETRAIN: Final = "weekly-retrain"
LANGUAGES: Final[Mapping[str, str]] = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "no": "Norwegian",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


BY_ITSELF: Final[Mapping[str, str]] = {"beat": "the timetable", "accuracy-check": "the accuracy check"}


def people(session: Session, owners: Iterable[str]) -> dict[str, str]:
    """Names of those who asked for something: keys, or what did so by itself."""
    owners = set(owners)
    found = keys.names(session, owners)
    return {owner: found.get(owner) or BY_ITSELF.get(owner, owner) for owner in owners}


def next_training() -> datetime | None:
    """When the timetable begins one; None while it is paused, and where nobody knows."""
    try:
        return timetable.times(RETRAIN, datetime.now(UTC)).next_run_at
    except (RedisError, SettingsError):
        return None


@blueprint.app_template_filter()
def language(code: str) -> str:
    """Its English name; the code of one that has none here."""
    return LANGUAGES.get(code, code)


@blueprint.app_template_filter()
def outside(url: str) -> str:
    """The address of a post on its platform, if it leads to the web: it comes from others, and is made a link."""
    return url if urlsplit(url).scheme in ("http", "https") else ""
