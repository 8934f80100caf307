"""Where texts become probabilities for the command line: the API of a running stack, or an engine in this process."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import chain, islice
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import httpx2
import numpy as np
from numpy.typing import NDArray

from overheard.errors import ScoringFailed, ScoringUnavailable, SettingsError
from overheard.hosts import is_loopback
from overheard.limits import MAX_MESSAGE_CHARS
from overheard.registry import in_service
from overheard.scoring.bundle import LABELS
from overheard.settings import PREFIX, Settings

PIECE: Final = 512
"""Texts that an engine on CPU scores at a time: enough to sort by length, few enough to show progress."""
FIRST_PIECE, SMALLEST_PIECE, LARGEST_PIECE = 128, 16, 2000
SHORT_CALL_S, LONG_CALL_S = 1.5, 6.0
IN_FLIGHT: Final = 4
PIECE_BYTES: Final = 2_000_000
PATIENCE_S: Final[float] = 120
RECONNECT_S: Final = (0.2, 1.0, 3.0)
LOOK_EVERY_S: Final = 1.0
READ_TIMEOUT_S: Final = 330  # longer than any stack waits before it answers with a job

T = TypeVar("T")


class Scored(NamedTuple):
    """(n, 3) probabilities of negative, neutral, positive, and the version of the model that gave them."""

    probabilities: NDArray[np.float32]
    model: str


class Scorer(Protocol):
    """Scores texts lazily and in order: what it yields, one after the other, is as long as `texts`."""

    @property
    def where(self) -> str:
        """For people: where the scoring happens."""

    def close(self) -> None:
        """Let go of connections."""

    def score(self, texts: Iterable[str]) -> Iterator[Scored]:
        """Raises ScoringUnavailable, ScoringFailed or SettingsError; what was yielded before stays valid."""


def choose(settings: Settings, *, here: bool = False) -> Scorer:
    """The API that is set, else the one of this home's running stack, else (or with `here`) this process.

    A stack that was killed leaves its address behind, so that one is asked whether it lives. Raises SettingsError when
    the address can't be used, or there is no key.
    """
    url = None if here else address(settings)
    return ApiClient(url, key_of(settings)) if url else InProcess(settings)


def address(settings: Settings) -> str | None:
    """The API that is set, else the one of this home's running stack."""
    found = settings.api_url or settings.running_stack.get("api_url")
    return found if found and (settings.api_url or _lives(found)) else None


def _lives(url: str | None) -> bool:
    try:
        return bool(url) and httpx2.get(f"{url}/health/live", timeout=2, trust_env=False).is_success
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False


def key_of(settings: Settings) -> str:
    """The key for the API. Raises SettingsError when there is none."""
    if settings.api_key:
        return settings.api_key.get_secret_value()
    try:
        return settings.api_key_file.read_text().strip()
    except OSError as error:
        reason = f"no key for the API: set {PREFIX}API_KEY ({settings.api_key_file}: {error.strerror})"
        raise SettingsError(reason) from error


class InProcess:
    """The model in service of this home, loaded at the first text."""

    where = "in this process"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def close(self) -> None:
        pass

    def score(self, texts: Iterable[str]) -> Iterator[Scored]:
        from overheard.scoring.load import load_engine  # half a second that only this way costs

        settings = self._settings
        engine = load_engine(in_service(settings), settings)
        remaining, piece_size = iter(texts), max(PIECE, engine.token_budget // 8)  # a GPU takes a few passes at a time
        while piece := [text[:MAX_MESSAGE_CHARS] for text in islice(remaining, piece_size)]:
            yield Scored(engine.score(piece), engine.version)


class ApiClient:
    """`POST /inference` with a few calls under way, so that the workers always have the next texts at hand.

    A piece grows while its answers come fast and shrinks while they come slowly. What the stack can't take now
    (429, 503) is sent again when it said; a call that became a job is followed to its end.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._piece = FIRST_PIECE
        try:
            self._http = httpx2.Client(
                base_url=self._url,
                headers={"Authorization": f"Bearer {key}"},
                timeout=httpx2.Timeout(READ_TIMEOUT_S, connect=5),
                trust_env=not is_loopback(self._url),  # a proxy is for the world outside
            )
        except (httpx2.InvalidURL, UnicodeEncodeError) as error:
            raise SettingsError(f"{url}: no address or key that can be used: {error}") from error

    @property
    def where(self) -> str:
        return f"through {self._url}"

    def close(self) -> None:
        self._http.close()

    def score(self, texts: Iterable[str]) -> Iterator[Scored]:
        messages = _Pushback(json.dumps(text[:MAX_MESSAGE_CHARS]) for text in texts)
        sent: deque[Future[Scored]] = deque()
        while True:
            while len(sent) < IN_FLIGHT and (piece := self._cut(messages)):
                sent.append(_in_background(self._score_piece, piece))
            if not sent:
                return
            yield sent.popleft().result()

    def _cut(self, messages: "_Pushback") -> list[str]:
        piece: list[str] = []
        size = 0
        for message in messages:
            size += len(message)
            if piece and size > PIECE_BYTES:
                messages.push(message)
                break
            piece.append(message)
            if len(piece) >= self._piece:
                break
        return piece

    def _score_piece(self, piece: Sequence[str]) -> Scored:
        began_at = time.monotonic()
        body = f'{{"messages": [{", ".join(piece)}]}}'
        while True:
            response = self._call("POST", "/inference", body)
            if response.status_code == httpx2.codes.ACCEPTED:
                response = self._follow(str(_member(response, "job_id")))
            scored = _read(response, len(piece))
            if "," not in scored.model:
                break  # a piece scored while the workers change models is scored again: one model for all its texts
        took_s = time.monotonic() - began_at
        if took_s > LONG_CALL_S:
            self._piece = max(SMALLEST_PIECE, len(piece) // 2)
        elif took_s < SHORT_CALL_S:
            self._piece = min(LARGEST_PIECE, max(self._piece, len(piece) * 2))
        return scored

    def _follow(self, job_id: str) -> httpx2.Response:
        while True:
            response = self._call("GET", f"/jobs/{job_id}")
            state = _member(response, "state")
            if state == "succeeded":
                return self._call("GET", f"/jobs/{job_id}/result")
            if state in ("failed", "cancelled"):
                raise ScoringFailed(f"job {job_id} has {state}: {_member(response, 'error')}")
            time.sleep(LOOK_EVERY_S)

    def _call(self, method: str, path: str, body: str | None = None) -> httpx2.Response:
        """An answer of success. Waits and asks again as long as the stack says so and our patience lasts."""
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            response = self._send(method, path, body)
            if response.status_code not in (429, 503):
                return _successful(response)
            wait_s = min(_retry_after_s(response), 30)
            if time.monotonic() + wait_s > give_up_at:
                raise ScoringUnavailable(f"{self._url} takes no texts now: {detail_of(response)}", int(wait_s))
            time.sleep(wait_s)

    def _send(self, method: str, path: str, body: str | None) -> httpx2.Response:
        """Scoring is pure, so a call whose connection broke is simply made again."""
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            for pause_s in RECONNECT_S:
                with suppress(httpx2.NetworkError, httpx2.RemoteProtocolError):
                    return self._http.request(method, path, content=body, headers=headers)
                time.sleep(pause_s)
            return self._http.request(method, path, content=body, headers=headers)
        except httpx2.HTTPError as error:
            reason = f"no connection to {self._url}: {str(error) or type(error).__name__}"
            raise ScoringUnavailable(reason, retry_after_s=5) from error


class _Pushback:
    """An iterator that takes its last item back."""

    def __init__(self, items: Iterable[str]) -> None:
        self._items = iter(items)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._items)

    def push(self, item: str) -> None:
        self._items = chain([item], self._items)


def _in_background(call: Callable[..., T], *args: Any) -> Future[T]:
    """On a daemon thread: whoever presses Ctrl-C need not wait for the answers that are under way."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call(*args))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _read(response: httpx2.Response, expected: int) -> Scored:
    try:
        rows = [[row[label] for label in LABELS] for row in response.json()]
        probabilities = np.array(rows, np.float32).reshape(-1, 3)
    except (ValueError, TypeError, KeyError) as error:
        raise ScoringFailed(f"{response.url} answered with something other than scores") from error
    if len(probabilities) != expected:
        raise ScoringFailed(f"{response.url} answered with {len(probabilities)} scores for {expected} texts")
    return Scored(probabilities, response.headers.get("Overheard-Model", "unknown"))


def _successful(response: httpx2.Response) -> httpx2.Response:
    if response.is_success:
        return response
    if response.status_code in (401, 403):
        raise SettingsError(f"{response.url} refuses the key ({detail_of(response)}): set {PREFIX}API_KEY")
    raise ScoringFailed(f"{response.url} answered {response.status_code}: {detail_of(response)}")


def _member(response: httpx2.Response, name: str) -> Any:
    try:
        return response.json()[name]
    except (ValueError, TypeError, KeyError) as error:
        raise ScoringFailed(f"{response.url} answered without {name!r}: is this an Overheard API?") from error


def detail_of(response: httpx2.Response) -> str:
    """Why it was refused."""
    try:
        return str(_member(response, "detail"))
    except ScoringFailed:
        return response.reason_phrase or "no reason was given"


def _retry_after_s(response: httpx2.Response) -> float:
    try:
        return max(float(response.headers["Retry-After"]), 0.1)
    except (KeyError, ValueError):
        return 1
