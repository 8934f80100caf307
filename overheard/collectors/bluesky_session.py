"""Asking a Bluesky server as an account. A server allows few logins (300 a day), so a process keeps its sessions."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from overheard.errors import SettingsError, SourceBusy, SourceDown, SourceError, SourceRefused
from overheard.hosts import is_loopback
from overheard.settings import PREFIX, Settings

SOURCE: Final = "bluesky"
WINDOW: Final = timedelta(minutes=5)
"""Of the rate limit, where an answer does not say when it is over."""
EXPIRED: Final = ("ExpiredToken", "InvalidToken")
ACCOUNT: Final = f"{PREFIX}BLUESKY_HANDLE and {PREFIX}BLUESKY_PASSWORD (an app password)"

_kept: Final[dict[tuple[str, str, str], str]] = {}
"""By server, handle and password: a session as its client exports it."""


def account_of(settings: Settings) -> tuple[str, str, str]:
    """Server, handle and password. Raises SettingsError."""
    if not settings.bluesky_handle or not settings.bluesky_password:
        raise SettingsError(f"searching Bluesky needs an account: set {ACCOUNT}")
    return settings.bluesky_url, settings.bluesky_handle, settings.bluesky_password.get_secret_value()


class Session:
    """A connection, to be used in a `with`; it logs in when it first asks. now: to tell when a rate limit is over."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        from atproto import Client, Request

        self._account, self._now = account_of(settings), now
        url = self._account[0]
        request = Request(timeout=settings.fetch_timeout_s, trust_env=not is_loopback(url))
        self._client = Client(url, request=request)
        self._client.on_session_change(lambda _, session: _kept.update({self._account: session.export()}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.request.close()

    def ask(self, method: str, query: Any) -> Any:
        """An answer's JSON, past the client's models, for which one post that is malformed spoils the page.

        A session renews itself before it expires; one that is over all the same is followed by another login.
        Raises SourceBusy, SourceRefused, SourceDown.
        """
        try:
            return self._translated(lambda: self._asked(method, query))
        except _SessionOver:
            _kept.pop(self._account, None)
        try:
            return self._translated(lambda: self._asked(method, query))
        except _SessionOver as error:
            raise SourceRefused(SOURCE, "takes no session of this account", f"look at {ACCOUNT}") from error

    def _asked(self, method: str, query: Any) -> Any:
        _, handle, password = self._account
        if session := _kept.get(self._account):
            self._client.login(session_string=session, fetch_bsky_profile=False)
        else:
            self._client.login(handle, password, fetch_bsky_profile=False)
        return self._client.invoke_query(method, params=query).content

    def _translated(self, call: Callable[[], Any]) -> Any:
        import httpx
        from atproto import exceptions

        try:
            return call()
        except exceptions.RateLimitExceededError as error:
            wait = WINDOW if error.retry_after is None else timedelta(seconds=error.retry_after)
            raise SourceBusy(SOURCE, "has a rate limit", error.reset_at or self._now + wait) from error
        except (exceptions.UnauthorizedError, exceptions.BadRequestError) as error:
            if getattr(error.response.content, "error", "") in EXPIRED:
                raise _SessionOver(SOURCE, str(error)) from error
            is_query = isinstance(error, exceptions.BadRequestError)
            advice = (
                "look at the brand's terms" if is_query else f"look at {ACCOUNT}, and whether it is in good standing"
            )
            raise SourceRefused(SOURCE, f"answered {error}", advice) from error
        except (exceptions.AtProtocolError, httpx.HTTPError, ValueError) as error:
            raise SourceDown(SOURCE, f"no answer: {str(error)[:200] or type(error).__name__}") from error


class _SessionOver(SourceError):
    """Raised when a session is over, though its tokens did not say so."""
