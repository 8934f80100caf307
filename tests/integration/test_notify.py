"""A training that fails is told by one mail, whatever is restarted or away meanwhile; on a real stack."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mailbox import Mailbox
from tests.stack import RunningStack, eventually

pytestmark = pytest.mark.slow
FAILED = "raining"


@pytest.fixture(scope="module")
def box() -> Mailbox:
    return Mailbox()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, box: Mailbox) -> Iterator[RunningStack]:
    told = {"notify_url": box.url(), "notify_hosts": "127.0.0.1", "watch_every_s": 5}
    home = tmp_path_factory.mktemp("notify") / "home"
    with RunningStack(home, without=("flower", "mlflow"), **told) as running:
        yield running


def test_a_failing_training_sends_one_mail_though_workers_restart_and_the_mail_server_was_away(
    stack: RunningStack, box: Mailbox, tmp_path: Path
) -> None:
    eventually(lambda: stack.client.get("/health/training").status_code == 200, 60)
    started = stack.client.post("/train/start", json={"data": str(tmp_path / "missing.csv")})
    assert started.status_code == 202, started.text
    job_id = started.json()["job_id"]
    eventually(lambda: stack.job(job_id)["state"] == "failed", 120)

    eventually(lambda: default(stack)["problem"], 60)
    assert f"127.0.0.1:{box.port}" in default(stack)["problem"]
    assert default(stack)["sent_at"] is None
    restart_io(stack)
    with box:
        eventually(lambda: default(stack)["sent_at"], 90)
        assert default(stack)["problem"] == ""
        restart_io(stack)
        ticked(stack)
    mails = [mail for mail in box.mails if FAILED in str(mail["Subject"])]
    assert len(mails) == 1, [mail["Subject"] for mail in box.mails]
    (mail,) = mails
    assert mail["From"] == "Overheard <overheard@example.com>"
    text = mail.get_body(("plain",))
    assert text is not None
    assert "there is no such file" in text.get_content()
    assert stack.metrics_like('overheard_notices{state="failed"}') == 0


def default(stack: RunningStack) -> dict[str, object]:
    """The recipient of OVERHEARD_NOTIFY_URL, of whose address nothing secret is shown."""
    (recipient,) = stack.client.get("/recipients").json()["recipients"]
    assert recipient["name"] == "default"
    return dict(recipient)


def restart_io(stack: RunningStack) -> None:
    """Kill the worker; its supervisor starts another."""
    killed = stack.program("worker", "io")
    killed.kill()
    killed.wait(20)
    eventually(
        lambda: any(tuple(p.cmdline()[-2:]) == ("worker", "io") and p.pid != killed.pid for p in stack.processes())
    )


def ticked(stack: RunningStack) -> None:
    """The worker has delivered what there was, twice, since now."""
    log = stack.home / "logs" / "io.log"
    seen = log.read_text().count("Task alerts.deliver")
    eventually(lambda: log.read_text().count("Task alerts.deliver") >= seen + 4, 60)
