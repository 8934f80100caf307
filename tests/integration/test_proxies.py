"""The examples of `deploy/proxy` before a real stack: names, ports and certificates alone are put in their places."""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.stack import RunningStack, eventually, free_port

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parents[2] / "deploy" / "proxy"


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack that believes one proxy, and lets an address try five keys a minute."""
    with RunningStack(tmp_path_factory.mktemp("behind") / "home", proxies=1, rate_of_wrong_keys=5) as running:
        yield running


@pytest.fixture(params=["nginx", "caddy"])
def door(request: pytest.FixtureRequest, behind: RunningStack, tmp_path: Path) -> Iterator[httpx2.Client]:
    program = shutil.which(request.param) or shutil.which(request.param, path="/usr/sbin")
    if not program:
        pytest.skip(f"{request.param} is not installed")
    port, place = free_port(), tmp_path / "proxy"
    place.mkdir()
    command = {"nginx": _nginx, "caddy": _caddy}[request.param](place, port, behind.port)
    home = {"HOME": str(place), "XDG_DATA_HOME": str(place), "PATH": "/usr/bin:/bin"}
    with (
        (place / "log").open("w") as log,
        subprocess.Popen([program, *command], env=home, stdout=log, stderr=log) as run,
    ):
        try:
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            with httpx2.Client(base_url=f"https://localhost:{port}", verify=trusting, trust_env=False) as client:
                eventually(lambda: _answers(client), 30)
                client.headers["Authorization"] = f"Bearer {behind.key}"
                yield client
        finally:
            run.terminate()


def _answers(client: httpx2.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx2.HTTPError:
        return False


def _nginx(place: Path, port: int, upstream: int) -> list[str]:
    subject = (
        "-subj",
        "/CN=localhost",
        "-days",
        "2",
        "-keyout",
        str(place / "key.pem"),
        "-out",
        str(place / "cert.pem"),
    )
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True
    )
    site = (EXAMPLES / "nginx.conf").read_text()
    for said, meant in {
        "listen 443 ssl http2": f"listen 127.0.0.1:{port} ssl http2",
        "    listen [::]:443 ssl http2;\n": "",
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "    listen [::]:80;\n": "",
        "/etc/letsencrypt/live/overheard.example/fullchain.pem": str(place / "cert.pem"),
        "/etc/letsencrypt/live/overheard.example/privkey.pem": str(place / "key.pem"),
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
    }.items():
        assert said in site, said
        site = site.replace(said, meant)
    folders = "\n".join(
        f"{kind}_temp_path {place}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"daemon off; pid {place}/pid; error_log {place}/error.log; events {{}} "
        f"http {{ access_log off; {folders}\n{site} }}"
    )
    return ["-p", str(place), "-e", str(place / "error.log"), "-c", str(place / "nginx.conf")]


def _caddy(place: Path, port: int, upstream: int) -> list[str]:
    site = (EXAMPLES / "Caddyfile").read_text()
    for said, meant in {
        "overheard.example {": f"localhost:{port} {{\n\ttls internal",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
    }.items():
        assert said in site, said
        site = site.replace(said, meant)
    calm = "{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n}\n"
    (place / "Caddyfile").write_text(calm + site)
    return ["run", "--config", str(place / "Caddyfile"), "--adapter", "caddyfile"]


def test_calls_and_events_come_through_at_once(door: httpx2.Client, behind: RunningStack) -> None:
    answer = door.post("/inference", json={"messages": ["I love it"]})
    assert answer.json()[0]["positive"] > 0.5
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    unheard = {"messages": [f"I love it {time.time_ns()} {n}" for n in range(2_000)]}
    job = door.post("/inference", json=unheard, headers={"Prefer": "respond-async"}).json()["job_id"]
    began_at = time.monotonic()
    with door.stream("GET", f"/jobs/{job}/events", timeout=60) as stream:
        told = [time.monotonic() - began_at for line in stream.iter_lines() if line.startswith("data:")]
    assert behind.job(job)["state"] == "succeeded"
    assert told[0] < 0.5 * told[-1], "the proxy kept the events until the end"


def test_a_file_comes_through(door: httpx2.Client) -> None:
    rows = "text\n" + "\n".join(f"I love it {n}" for n in range(200_000))
    taken = door.post("/batches", files={"file": ("posts.csv", rows)}, timeout=120)
    assert taken.status_code == 202, taken.text
    door.delete(f"/jobs/{taken.json()['job_id']}")


def test_who_asks_is_known_whatever_they_claim_and_the_cookie_stays_on_tls(door: httpx2.Client) -> None:
    """One who tries keys is refused, though they say each time that they are somebody else."""
    wrong = [
        door.get("/brands", headers={"Authorization": "Bearer wrong", "X-Forwarded-For": f"203.0.113.{n}"}).status_code
        for n in range(8)
    ]
    assert wrong[-1] == 429
    page = door.get("/sign-in", headers={"Authorization": ""})
    assert "secure" in page.headers["Set-Cookie"].lower()
