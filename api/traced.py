"""Each request has an id, its caller's (`X-Request-Id`) or ours: answers carry it, and so do lines of the log."""

import re
import secrets
from collections.abc import Mapping
from typing import Final

from flask import Response, g, has_request_context, request

HEADER: Final = "X-Request-Id"
_USABLE: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def begin() -> None:
    """Before every request."""
    told = request.headers.get(HEADER, "")
    g.request_id = told if _USABLE.fullmatch(told) else secrets.token_hex(8)


def end(response: Response) -> Response:
    """After every request."""
    response.headers[HEADER] = g.request_id
    return response


def about() -> Mapping[str, str]:
    """What the log says of the request at hand; nothing where there is none. Paths hold ids; queries are left out."""
    if not has_request_context() or "request_id" not in g:
        return {}
    return {"request": g.request_id, "call": f"{request.method} {request.url_rule or 'unknown'}"}
