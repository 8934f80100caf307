"""What `/openapi` says of every call besides what its route says: problems, and when they come."""

from typing import Any, Final

from flask_openapi import OpenAPI

PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
NOTHING: Final[dict[str, Any]] = {}
KEYED: Final = {
    "401": "The key is missing, unknown or revoked",
    "403": "The key's role may not do this, or another site's page asked",
    "429": "Too many calls within a minute: `Retry-After` says when to come back",
    "503": "Redis, the database or who does the work does not answer: `Retry-After` says when to try again",
}
WITH_BODY: Final = {
    "413": "The body is larger than may be",
    "415": "The body is of another type than this takes",
}
ANY: Final = {
    "400": "This is no HTTP, or a body that ended early",
    "422": "A field is wrong: `errors` says which, and why",
}
PATHS: Final = {"404": "There is no such thing"}
RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}


class Documented(OpenAPI):
    """flask-openapi knows of no errors but those that each route names, and calls all of them plain JSON."""

    def generate_spec_json(self) -> None:
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        for path, methods in self.spec_json["paths"].items():
            for operation in methods.values():
                operation["responses"] = _complete(path, operation)
        self.spec_json["components"]["schemas"].pop(self.validation_error_model.__name__)


def _complete(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    is_open = not operation.get("security") and not path.startswith("/webhooks/")
    told = {status: _as_problem(status, answer) for status, answer in operation["responses"].items()}
    may = {
        **(NOTHING if is_open else ANY | KEYED),
        **(WITH_BODY if "requestBody" in operation else NOTHING),
        **(PATHS if "{" in path else NOTHING),
    }
    if is_open:
        told.pop("422", None)  # it reads nothing that could be wrong
    for status, description in may.items():
        answer = told.setdefault(status, {"content": PROBLEM})
        answer["description"] = description
        if status in ("429", "503"):
            answer["headers"] = RETRY_AFTER
    return dict(sorted(told.items()))


def _as_problem(status: str, answer: dict[str, Any]) -> dict[str, Any]:
    """What a route says in a form of its own stays as it is."""
    schemas = [content["schema"] for content in answer.get("content", {}).values()]
    is_ours = all(schema.get("$ref", "").endswith("/Problem") or schema.get("type") == "array" for schema in schemas)
    return {**answer, "content": PROBLEM} if status >= "400" and schemas and is_ours else answer
