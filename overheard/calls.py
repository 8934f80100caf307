"""Single calls of the API for the command line: JSON in, JSON out, and what goes wrong as an error of ours."""

from collections.abc import Mapping
from typing import Any, Final, Self

import httpx2

from overheard import client
from overheard.errors import Conflict, DataError, NotFound, OverheardError, ScoringUnavailable, SettingsError
from overheard.hosts import is_loopback
from overheard.settings import PREFIX, Settings

TIMEOUT_S: Final = 60


class Calls:
    """An API and the key to it."""

    def __init__(self, url: str, key: str) -> None:
        """Raises SettingsError when the address can't be used."""
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"}
        try:
            outside = not is_loopback(self.url)
            self._http = httpx2.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S, trust_env=outside)
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise SettingsError(f"{url}: no address or key that can be used: {error}") from error

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """To the API that is set, else to this home's running stack. Raises SettingsError when there is neither."""
        if not (url := client.address(settings)):
            raise SettingsError(
                f"no stack runs in {settings.home}: start it with `overheard up`, or set {PREFIX}API_URL"
            )
        return cls(url, client.key_of(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """The answer's JSON. body: is sent as JSON; bytes are JSON already.

        Raises NotFound, Conflict, DataError, ScoringUnavailable, SettingsError by its status.
        """
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        try:
            response = self._http.request(method, path, headers=headers, **sent)
        except httpx2.HTTPError as error:
            reason = f"no connection to {self.url}: {str(error) or type(error).__name__}"
            raise ScoringUnavailable(reason, retry_after_s=5) from error
        if response.is_success:
            return response.json() if response.content else None
        raise _error(response)

    def all_of(self, path: str, name: str) -> list[Any]:
        """The rows of all pages of a list, which hold them under `name`. Raises what `call` raises."""
        first = f"{path}{'&' if '?' in path else '?'}limit=200"
        rows, cursor = [], ""
        while cursor is not None:
            page = self.call("GET", first + (cursor and f"&cursor={cursor}"))
            rows += page[name]
            cursor = page["next_cursor"]
        return rows


def _error(response: httpx2.Response) -> OverheardError:
    detail = client.detail_of(response)
    if response.status_code in (401, 403):
        return SettingsError(f"{response.url} refuses the key ({detail}): set {PREFIX}API_KEY")
    if response.status_code in (429, 503):
        return ScoringUnavailable(detail, retry_after_s=5)
    if response.status_code == 404:
        return NotFound("answer for", response.url.path, detail)
    return Conflict(detail) if response.status_code == 409 else DataError(f"{response.status_code}: {detail}")
