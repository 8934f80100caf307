"""How tests without a browser sign in."""

import re

from flask.testing import FlaskClient

KEY = "an admin's key of a test"


def sign_in(client: FlaskClient, key: str = KEY, **more: str) -> int:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)
    assert token
    return client.post("/sign-in", data={"key": key, "csrf_token": token[1], **more}).status_code
