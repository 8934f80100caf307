"""Where notices may go, and what may be seen of a recipient's address."""

import socket
from typing import Any

import pytest

from overheard.errors import DataError, SettingsError
from overheard.reach import Reach, is_public
from overheard.recipients import parse, scrubbed
from overheard.seal import Seal
from overheard.settings import Settings

SCHEMES = Settings().notify_schemes


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (
            "mailtos://ops:p%40ss@mail.example.com/ann@example.com",
            "mailtos://ops:****@mail.example.com → ann@example.com",
        ),
        ("mailto://127.0.0.1:8025?from=o@x.com&to=a@x.com, b@x.com", "mailto://127.0.0.1:8025 → a@x.com, b@x.com"),
        ("mailtos://ann:secret@example.com", "mailtos://ann:****@example.com → ann@example.com"),
        ("mailtos://u:pw@x.com?smtp=mx.x.com&+X-Key=hush", "mailtos://u:****@mx.x.com → u@x.com"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general", "slack://****"),
        ("discord://123456/abcdefghijk", "discord://****"),
        ("tgram://123456789:AbCdEfGhIjKlMn/12315544", "tgram://****"),
        (
            "jsons://token@hooks.example.com:8443/hush?+Authorization=Bearer%20abc",
            "jsons://hooks.example.com:8443/****",
        ),
        ("workflows://prod.logic.azure.com:443/643e69f8/s1gn", "workflows://prod.logic.azure.com:443/****"),
        ("ntfys://ntfy.example.com/topic", "ntfys://ntfy.example.com/****"),
        ("ntfy://mytopic", "ntfy://****"),
        ("https://hooks.slack.com/services/T1/A1/x", "https://hooks.slack.com/****"),
        ("json://[2001:db8::1]:80/hush", "json://[2001:db8::1]:80/****"),
    ],
)
def test_what_is_shown_of_an_address_holds_no_secret(url: str, shown: str) -> None:
    assert parse(url, SCHEMES).shown == shown


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ann@example.com", "it is no address"),
        ("dbus://", "it is no address"),
        ("dbus://qt", "not among those allowed"),
        ("file:///etc/passwd", "not among those allowed"),
        ("json://hooks.example.com/x\nBcc: all", "it is no address"),
        ("json://hooks.example.com:port/hush", "its host or port can't be read"),
        ("discord://123456/abc?template=/etc/passwd", "'template' is not allowed"),
        ("mailtos://u:pw@x.com?PGPprv=/root/key", "'PGPprv' is not allowed"),
        ("json://" + "x" * 2000, "it is no address"),
    ],
)
def test_an_address_that_is_not_taken_says_why_and_not_what_it_is(url: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        parse(url, SCHEMES)
    assert "hush" not in str(error.value)


def test_only_the_ways_that_a_setting_names_are_taken() -> None:
    with pytest.raises(DataError, match="slack:// is not among those allowed here"):
        parse("slack://T1/A1/x", "mailtos")
    assert parse("mailtos://u:pw@x.com", "mailtos").scheme == "mailtos"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1%eth0",
    ],
)
def test_the_inside_of_networks_machines_and_clouds_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


class Names:
    """A resolver whose answers a test can change."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **known: list[str]) -> None:
        self.known = {name.replace("_", "."): found for name, found in known.items()}
        monkeypatch.setattr(socket, "getaddrinfo", self.look)

    def look(self, host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, 0)) for found in self.known[host]]


def test_a_name_that_leads_inside_is_refused_although_it_looks_public(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, evil_example=["127.0.0.1"], half_example=["8.8.8.8", "10.0.0.1"], fine_example=["8.8.8.8"])
    for host in ("evil.example", "half.example"):
        with pytest.raises(DataError, match="OVERHEARD_NOTIFY_HOSTS"):
            Reach().check(host)
    with pytest.raises(DataError, match=r"'nowhere\.example' has no address"):
        Reach().check("nowhere.example")
    Reach().check("fine.example")


def test_an_operator_may_name_hosts_addresses_and_networks_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, mail_internal=["10.0.0.5"], other_internal=["10.0.0.6"], near_internal=["192.168.7.7"])
    reach = Reach.of("mail.internal, 192.168.0.0/16, ::1")
    for host in ("mail.internal", "near.internal"):
        reach.check(host)
    assert reach.has("::1")
    with pytest.raises(DataError):
        reach.check("other.internal")
    with pytest.raises(SettingsError, match="no host and no network"):
        Reach.of("10.0.0.0/40")


def test_what_is_sealed_opens_with_the_same_secret_alone() -> None:
    seal = Seal(b"a secret of the tests", "recipients")
    sealed = seal.close("mailtos://u:a-password@x.com")
    assert "a-password" not in sealed
    assert seal.open(sealed) == "mailtos://u:a-password@x.com"
    assert seal.holds(sealed, "mailtos://u:a-password@x.com")
    assert not seal.holds(sealed, "mailtos://u:other@x.com")
    for other in (Seal(b"another secret of the tests", "recipients"), Seal(b"a secret of the tests", "else")):
        with pytest.raises(SettingsError, match="save it again"):
            other.open(sealed)


def test_what_is_told_of_a_failure_holds_no_secret() -> None:
    said = "no answer of https://hooks.example.com:8443/hush?key=quiet with Bearer abc\nand abc%20d"
    url = "jsons://user:pass@hooks.example.com:8443/hush?key=quiet&+Authorization=Bearer%20abc"
    assert scrubbed(said, url) == "no answer of https://hooks.example.com:8443/****?key=**** with **** and abc%20d"
    mail = "mailtos://ops:p%40ssword@mail.example.com/ann@example.com?+X-Key=quiet"
    assert scrubbed("ops of mail.example.com: p@ssword, quiet", mail) == "ops of mail.example.com: ****, ****"
    assert scrubbed("tgram 123456789 and AbCdEf", "tgram://123456789:AbCdEf/1231") == "tgram **** and ****"
