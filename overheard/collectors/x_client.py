"""X's API through tweepy. Imported only when something is read: it brings requests along."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import requests
import tweepy
from requests.adapters import HTTPAdapter

from overheard.errors import SourceBusy, SourceDown, SourceError, SourceRefused
from overheard.hosts import is_loopback
from overheard.settings import PREFIX

SOURCE: Final = "x"
HOST: Final = "https://api.twitter.com"
"""Where tweepy sends everything."""
FIELDS: Final = [
    *("author_id", "created_at", "edit_history_tweet_ids", "lang", "note_tweet", "public_metrics", "referenced_tweets")
]
WAIT: Final = timedelta(minutes=15)
LONGEST_WAIT: Final = timedelta(days=1)
_STALE: Final = re.compile(r"'(?:since|until)_id' must be a tweet id created after (\d{4}-\d\d-\d\dT\d\d:\d\d)")


class StaleId(SourceDown):
    """Raised when X refuses an id because its search does not go back so far. floor: how far it goes."""

    def __init__(self, floor: datetime) -> None:
        super().__init__(SOURCE, f"an id of the query is older than {floor:%Y-%m-%d %H:%M}, where X's search ends")
        self.floor = floor


class Api:
    """One session. No expansions are asked for: what they bring is billed too."""

    def __init__(self, url: str, token: str, timeout_s: float, now: datetime) -> None:
        self._client, self._now = tweepy.Client(return_type=dict), now
        self._client.session.max_redirects = 0
        self._client.session.mount(HOST, _Door(url.rstrip("/"), token, timeout_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.session.close()

    def search(self, parameters: dict[str, Any], max_results: int) -> dict[str, Any]:
        """A page of posts, newest first. max_results: 10 to 100. Raises StaleId and the errors of a source."""
        return self._ask(self._client.search_recent_tweets, **parameters, max_results=max_results, tweet_fields=FIELDS)

    def look_up(self, ids: Sequence[str]) -> dict[str, Any]:
        """Up to 100 posts by id; those that can't be had are among the errors."""
        return self._ask(self._client.get_tweets, ids=list(ids))

    def _ask(self, call: Any, **parameters: Any) -> dict[str, Any]:
        try:
            answer = call(**parameters)
        except tweepy.HTTPException as error:
            raise _meaning(error, self._now) from error
        except (requests.RequestException, tweepy.TweepyException) as error:
            raise SourceDown(SOURCE, f"no answer that can be used: {type(error).__name__}") from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # tweepy took a body for what it is not
            raise SourceDown(SOURCE, "an error without a meaning") from error
        if not isinstance(answer, dict):
            raise SourceDown(SOURCE, "an answer of another shape")
        return answer


class _Door(HTTPAdapter):
    """Where tweepy's requests go out: to the host that is set, in time, and with the token, which tweepy would log."""

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        super().__init__()
        self._url, self._token, self._timeout_s = url, token, timeout_s

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        request.url = self._url + str(request.url).removeprefix(HOST)
        request.headers["Authorization"] = f"Bearer {self._token}"
        outside = None if is_loopback(self._url) else proxies
        return super().send(request, stream, self._timeout_s, verify, cert, outside)


def _meaning(error: tweepy.HTTPException, now: datetime) -> SourceError:
    """What an answer that is no success asks of us."""
    status = error.response.status_code
    said = f"answers {status}: {_shortly(error)}"
    if stale := status == 400 and _STALE.search(str(error)):
        return StaleId(datetime.fromisoformat(stale[1]).replace(tzinfo=UTC))
    if status == 402 or (status == 429 and "usagecap" in error.response.text.replace(" ", "").lower()):
        return SourceRefused(SOURCE, said, "credits or the month's cap are used up: buy more at console.x.com, or wait")
    if status == 429:
        return SourceBusy(SOURCE, said, _reset_at(getattr(error, "reset_time", None), now))
    if advice := _ADVICE.get(status):
        return SourceRefused(SOURCE, said, advice)
    return SourceDown(SOURCE, said)


_ADVICE: Final = {
    400: "change the brand's terms or the feed's query",
    401: f"the token is wrong or was revoked: make one at console.x.com and set {PREFIX}X_TOKEN",
    403: "the token's app may not search: see its plan and its suspension notes at console.x.com",
    404: f"there is no search at {PREFIX}X_URL: unset it",
}


def _reset_at(reset_s: int | None, now: datetime) -> datetime:
    """When the limit ends: at most a day from now, whatever a header says."""
    if reset_s is None:
        return now + WAIT
    return datetime.fromtimestamp(max(now.timestamp(), min(reset_s, (now + LONGEST_WAIT).timestamp())), UTC)


def _shortly(error: tweepy.HTTPException) -> str:
    """X's own words; never a page of HTML."""
    return "; ".join(map(str, error.api_messages))[:300] or str(error.response.reason)
