"""`/recipients`, `/brands/{id}/digest` and the commands that use them, on a real stack with a real mail server."""

from collections.abc import Iterator

import httpx2
import pytest
from typer.testing import CliRunner

from overheard.cli import app
from tests.mailbox import Mailbox
from tests.stack import RunningStack, eventually


@pytest.fixture
def operator(stack: RunningStack) -> Iterator[httpx2.Client]:
    secret = stack.client.post("/keys", json={"name": "operator", "role": "operator"}).json()["key"]
    with stack.new_client(secret) as client:
        yield client
        for recipient in client.get("/recipients").json()["recipients"]:
            client.delete(f"/recipients/{recipient['id']}")


def said(stack: RunningStack, *words: str, given: str | None = None, code: int = 0) -> str:
    ran = CliRunner().invoke(app, words, input=given, env=stack.environment)
    assert ran.exit_code == code, ran.output
    return ran.output


def test_a_recipient_is_added_tested_changed_and_removed_and_its_secret_never_shown(operator: httpx2.Client) -> None:
    with Mailbox() as box:
        url = box.url().replace("mailto://", "mailto://ops:hush%40word@")
        made = operator.post("/recipients", json={"name": " brand team ", "url": url})
        assert made.status_code == 201, made.text
        path = f"/recipients/{made.json()['id']}"
        told = operator.get(path).json()
        assert (told["name"], told["waiting"], told["notices"]) == ("brand team", 0, [])
        assert told["shown"] == f"mailto://ops:****@127.0.0.1:{box.port} → ann@example.com"

        moved = operator.patch(path, json={"url": box.url("bob@example.com"), "wants_digest": False}).json()
        assert (moved["shown"][-15:], moved["wants_digest"], moved["wants_alerts"]) == ("bob@example.com", False, True)
        asked = operator.post(f"{path}/test")
        assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
        (notice,) = eventually(lambda: [one for one in operator.get(path).json()["notices"] if one["state"] == "sent"])
        assert (notice["id"], notice["kind"], notice["problem"]) == (asked.json()["id"], "test", "")
    assert [(mail["Subject"], mail["To"]) for mail in box.mails] == [("[Overheard] This is a test", "bob@example.com")]

    assert operator.post(f"{path}/test").status_code == 202
    failed = eventually(lambda: operator.get(path).json()["failed"] and operator.get(path).json())
    assert "Connection refused" in failed["problem"]
    assert 'overheard_notices{state="failed"} 1.0' in operator.get("/metrics").text
    seen = made.text + operator.get("/recipients").text + operator.get(path).text
    assert "hush" not in seen
    assert operator.delete(path).status_code == 204
    assert operator.post(f"{path}/test").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"name": "a", "url": "dbus://session/hush"}, 422, "OVERHEARD_NOTIFY_SCHEMES"),
        ({"name": "a", "url": "json://10.0.0.1/hush"}, 422, "OVERHEARD_NOTIFY_HOSTS"),
        ({"name": "a", "url": "json://169.254.169.254/latest/hush"}, 422, "OVERHEARD_NOTIFY_HOSTS"),
        ({"name": "a", "url": "mailto://hush"}, 422, "apprise can't read this mailto:// address"),
        ({"name": "a", "url": "slack://hush?template=/etc/passwd"}, 422, "would read files"),
        ({"name": "", "url": "json://127.0.0.1/hush"}, 422, "name"),
        ({"name": "a", "url": "json://127.0.0.1/hush", "brand_id": 99_999}, 404, "no brand"),
    ],
)
def test_an_address_that_can_not_be_used_says_why_and_is_not_repeated(
    operator: httpx2.Client, body: dict[str, object], status: int, said: str
) -> None:
    answer = operator.post("/recipients", json=body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert "hush" not in answer.text
    assert operator.get("/recipients").json() == {"recipients": []}


def test_viewers_see_no_recipients_and_names_are_taken_once(stack: RunningStack, operator: httpx2.Client) -> None:
    secret = stack.client.post("/keys", json={"name": "viewer", "role": "viewer"}).json()["key"]
    with stack.new_client(secret) as viewer:
        assert viewer.get("/recipients").status_code == 403
        assert viewer.post("/recipients", json={"name": "a", "url": "json://127.0.0.1/x"}).status_code == 403
    first = operator.post("/recipients", json={"name": "a", "url": "json://127.0.0.1/x"}).json()
    assert operator.post("/recipients", json={"name": "a", "url": "json://127.0.0.1/y"}).status_code == 409
    assert operator.patch(f"/recipients/{first['id']}", json={"name": None}).status_code == 422


def test_the_commands_of_who_wants_to_be_told(stack: RunningStack, operator: httpx2.Client) -> None:
    assert "nobody is told" in said(stack, "recipients", "list")
    with Mailbox() as box:
        added = said(stack, "recipients", "add", "team", "-", "--no-digest", given=box.url() + "\n")
        number = added.split()[0]
        assert said(stack, "recipients", "test", number) == "sent\n"
    listed = said(stack, "recipients", "list")
    assert "alerts " in listed
    assert "ann@example.com" in listed
    assert said(stack, "recipients", "remove", number) == f"recipient {number} is removed\n"
    assert operator.get("/recipients").json() == {"recipients": []}


def test_a_digest_can_be_looked_at_as_figures_as_text_and_as_it_is_mailed(
    stack: RunningStack, operator: httpx2.Client
) -> None:
    brand = operator.post("/brands", json={"name": "Acme <&>", "sources": ["webhook:digest"]}).json()
    try:
        path = f"/brands/{brand['id']}/digest"
        told = operator.get(f"{path}?week=2026-03-04").json()
        assert (told["since"], told["posts"], told["movement"]) == ("2026-03-02T00:00:00+00:00", 0, None)
        page = operator.get(f"{path}?week=2026-03-04&format=html")
        assert page.headers["Content-Type"].startswith("text/html")
        assert "script" not in page.headers["Content-Security-Policy"].replace("default-src 'none'", "")
        assert "Acme &lt;&amp;&gt;, 2 to 8 March 2026" in page.text
        assert "Acme <&>, 2 to 8 March 2026" in said(stack, "digest", "acme <&>", "--week", "2026-03-04")
        assert operator.get(f"{path}?week=0001-01-01").status_code == 422
        assert operator.get("/brands/99999/digest").status_code == 404
    finally:
        operator.delete(f"/brands/{brand['id']}")
