"""Signatures of pushed posts, and the secrets that they are made with."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from overheard.errors import NotSigned, SettingsError
from overheard.secret import ensure_secret
from overheard.settings import Settings
from overheard.webhooks import MAX_AGE_S, secret_of, sign, verify

NOW_S = 1_767_225_600
BODY = b'{"posts": []}'
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
SECRET = secret_of(b"the installation's secret", 7, MADE_AT)


def test_what_was_signed_is_verified_for_five_minutes_either_way() -> None:
    signature = sign(SECRET, BODY, NOW_S)
    for now_s in (NOW_S - MAX_AGE_S, NOW_S, NOW_S + MAX_AGE_S):
        verify(SECRET, signature, BODY, now_s)
    for now_s in (NOW_S - MAX_AGE_S - 1, NOW_S + MAX_AGE_S + 1):
        with pytest.raises(NotSigned, match="5 minutes"):
            verify(SECRET, signature, BODY, now_s)


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        (None, "send Overheard-Signature"),
        ("", "send Overheard-Signature"),
        ("t=1,v1=abc", "64 hexadecimal digits"),
        (f"v1={'0' * 64}", "64 hexadecimal digits"),
        (f"t={NOW_S},v1={'0' * 64}", "has this secret"),
        (sign(SECRET, BODY + b" ", NOW_S), "has this secret"),
        (sign("another secret", BODY, NOW_S), "has this secret"),
        (sign(SECRET, BODY, NOW_S).replace(str(NOW_S), str(NOW_S + 1)), "has this secret"),
    ],
)
def test_a_signature_that_does_not_fit_is_refused_with_the_reason(signature: str | None, reason: str) -> None:
    with pytest.raises(NotSigned, match=reason):
        verify(SECRET, signature, BODY, NOW_S)


def test_the_signature_is_what_the_documentation_tells_senders_to_compute() -> None:
    import hashlib
    import hmac

    computed = hmac.new(SECRET.encode(), f"{NOW_S}.".encode() + BODY, hashlib.sha256).hexdigest()
    verify(SECRET, f"t={NOW_S}, v1={computed}", BODY, NOW_S)


def test_each_feed_has_a_secret_of_its_own_also_where_an_id_is_given_again() -> None:
    key = b"the installation's secret"
    others = [
        secret_of(key, 8, MADE_AT),
        secret_of(key, 7, MADE_AT + timedelta(microseconds=1)),
        secret_of(b"k", 7, MADE_AT),
    ]
    assert len({SECRET, *others}) == 4
    assert secret_of(key, 7, MADE_AT) == SECRET


def test_the_secret_is_made_once_however_many_ask_at_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", secret=None)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: ensure_secret(settings), range(32)))
    assert len(found) == 1
    assert len(found.pop()) >= 32
    assert stat.S_IMODE(settings.secret_file.stat().st_mode) == 0o600


def test_a_secret_that_is_set_is_the_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, secret="a secret of the operator")  # type: ignore[arg-type]
    assert ensure_secret(settings) == b"a secret of the operator"
    assert not settings.secret_file.exists()


def test_a_damaged_secret_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("short")
    with pytest.raises(SettingsError, match="secret holds no key of 16 characters"):
        ensure_secret(Settings(home=tmp_path, secret=None))
