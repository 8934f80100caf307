"""Servers that score over HTTP: ours, and infinity's and TEI's, whose calls their own documentation describes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2

from bench.http import Wire
from bench.stack import Running

LARGEST_CALL = 512
TEI_CALL = 32  # its default --max-client-batch-size


@dataclass(frozen=True)
class Server:
    """largest_call: messages that one call may carry."""

    name: str
    url: str
    wire: Wire
    headers: Mapping[str, str] = field(default_factory=dict)
    largest_call: int = LARGEST_CALL


def ours(stack: Running) -> Server:
    wire = Wire("/inference", '{"messages":[', "]}")
    return Server("HTTP", stack.url, wire, {"Authorization": f"Bearer {stack.key}"})


def infinity(url: str) -> Server:
    """`POST /classify` of michaelfeil/infinity; it serves under a name that it tells."""
    model = json.dumps(_ask(url, "/models")["data"][0]["id"])
    return Server("infinity", url.rstrip("/"), Wire("/classify", f'{{"model":{model},"input":[', "]}"))


def tei(url: str) -> Server:
    """`POST /predict` of huggingface/text-embeddings-inference; a list of lists is a batch of single texts."""
    largest = int(_ask(url, "/info").get("max_client_batch_size", TEI_CALL))
    wire = Wire("/predict", '{"inputs":[', '],"truncate":true}', ("[", "]"))
    return Server("TEI", url.rstrip("/"), wire, largest_call=min(largest, LARGEST_CALL))


def _ask(url: str, path: str) -> dict:  # type: ignore[type-arg]
    return dict(httpx2.get(url.rstrip("/") + path, timeout=10, trust_env=False).raise_for_status().json())
