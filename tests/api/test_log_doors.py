"""What a real stack logs while it is used and misused: no text of a post, and no key."""

import re
from datetime import UTC, datetime
from uuid import uuid4

from tests.stack import RunningStack, eventually

MARK = "quokka-4711"
WRONG_KEY = "ovh_a-wrong-key-that-was-tried-4711"


def test_no_log_holds_a_text_or_a_key(stack: RunningStack) -> None:
    key_id, secret = (
        (made := stack.client.post("/keys", json={"name": "logged", "role": "admin"}).json())["id"],
        made["key"],
    )
    text = f"the {MARK} was delicious"
    with stack.new_client(WRONG_KEY) as stranger:
        assert stranger.get(f"/jobs?cursor={MARK}").status_code == 401
    with stack.new_client(secret) as client:
        assert client.post("/inference", json={"messages": [text]}).status_code == 200
        job = client.post("/inference", json={"messages": [text]}, headers={"Prefer": "respond-async"}).json()
        upload = client.post("/batches", content=f"text\n{text}\n", headers={"Content-Type": "text/csv"}).json()
        for body in (b"{" + text.encode(), f'{{"messages": "{text}"}}'.encode()):
            refused = client.post("/inference", content=body, headers={"Content-Type": "application/json"})
            assert refused.status_code == 422
        brand = client.post("/brands", json={"name": f"Logged {uuid4().hex[:8]}", "sources": ["webhook:logged"]}).json()
        feed = next(feed for feed in client.get("/feeds").json()["feeds"] if feed["brand_id"] == brand["id"])
        client.post(
            f"/webhooks/{feed['id']}", json={"posts": [{"external_id": "1", "text": text, "posted_at": _now()}]}
        )
        for one in (job, upload):
            eventually(lambda one=one: client.get(f"/jobs/{one['job_id']}").json()["state"] == "succeeded")
        client.post(f"/keys/{key_id}/rotate")
    logs = {path.name: path.read_text(errors="replace") for path in (stack.home / "logs").iterdir()}
    assert {"api.log", "ml.log", "io.log", "beat.log", "flower.log"} <= logs.keys()
    redis_password = stack.redis_url.split(":")[2].split("@")[0]
    for name, lines in logs.items():
        for hidden in (MARK, WRONG_KEY, secret, stack.key, redis_password):
            assert hidden not in lines, name
    assert re.search(r"^\d{4}-\d\d-\d\d .* \[task=hours.aggregate id=[0-9a-f-]{36}\]$", logs["io.log"], re.MULTILINE)


def _now() -> str:
    return datetime.now(UTC).isoformat()
