"""A model bundle: a directory with a model, its tokenizer, and a manifest that says what they are and how they hash.

Everything is checked once, when a bundle is opened: what is damaged never gets to score.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overheard.errors import BundleError

LABELS: Final = ("negative", "neutral", "positive")
MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
MANIFEST: Final = "manifest.json"
CARD: Final = "README.md"
"""For people: it may be written anew at any time, so no manifest lists it."""
WEIGHTS: Final = "model.safetensors"
"""Float weights beside the graph, with config.json: what a GPU serves and what training starts from. Not every bundle
has them."""

REFERENCE: Final = "reference.json"
"""What its training texts were like, in counts (`overheard.reference`). Not every bundle has it."""

Form: TypeAlias = Literal["int8", "mixed", "float32"]
FORMS: Final[tuple[Form, ...]] = ("int8", "mixed", "float32")
"""How a graph computes, the fastest and least exact first. mixed: some of its parts in float32, the others in int8."""


class File(BaseModel):
    """What a file of a bundle must look like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, description="bytes")


class Manifest(BaseModel):
    """What a bundle holds; `version` is derived from all that decides its answers, so equal versions score equally."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str = Field(min_length=1)
    version: str = ""
    labels: tuple[str, str, str] = Field(default=LABELS, description="what the model's outputs mean, in their order")
    max_tokens: int = Field(ge=8, description="longer texts are cut here, special tokens included")
    temperature: float = Field(gt=0, allow_inf_nan=False, description="logits are divided by it before the softmax")
    form: Form = "int8"
    fits_16_bits: bool = Field(default=False, description="two int8 products fit an int16: exact without VNNI, too")
    quantisation: str
    base: str = Field(description="the weights that training started from")
    data_hash: str | None = Field(default=None, description="of the training snapshot")
    seed: int | None = None
    metrics: dict[str, Any] = Field(default_factory=dict)
    created: datetime
    files: dict[str, File]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sorted(self.labels) != sorted(LABELS):
            raise ValueError(f"labels are {', '.join(self.labels)} instead of {', '.join(LABELS)}")
        for name in self.files:
            if Path(name).name != name or name in (MANIFEST, CARD):
                raise ValueError(f"{name!r} is no name for a file of a bundle")
        if not {MODEL, TOKENIZER} <= self.files.keys():
            raise ValueError(f"{MODEL} and {TOKENIZER} must be listed")
        if self.version and self.version != self.fingerprint():
            raise ValueError(f"version {self.version} does not belong to these files")
        return self

    def fingerprint(self) -> str:
        """12 hexadecimal digits over all that decides the answers: model, tokenizer, labels, length, temperature."""
        hashes = [self.files[MODEL].sha256, self.files[TOKENIZER].sha256]
        facts = [*hashes, self.labels, self.max_tokens, self.temperature]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def is_bundle(directory: Path) -> bool:
    """Whether a manifest of this kind is there, valid or not: other programs have files of that name, too."""
    try:
        facts = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.keys() >= {"format", "version", "labels", "files"}


def load_manifest(directory: Path) -> Manifest:
    """The manifest of a bundle whose files are all there and unharmed. Raises BundleError otherwise, saying why."""
    manifest = read_manifest(directory)
    for name, expected in manifest.files.items():
        _check(directory, name, expected)
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """The manifest alone; whether its files are there is not looked at. Raises BundleError when it is not valid."""
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(directory, f"{MANIFEST} can't be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or MANIFEST
        raise BundleError(directory, f"{MANIFEST} is not valid: {where}: {first['msg']}") from error
    if not manifest.version:
        raise BundleError(directory, f"{MANIFEST} is not valid: version is missing")
    return manifest


def write_manifest(directory: Path, facts: Mapping[str, Any]) -> Manifest:
    """Hash the files in `directory`, derive the version, write manifest.json. `facts`: the other fields of Manifest.

    Raises BundleError when a fact or a file is missing or not valid.
    """
    files = {
        path.name: {"sha256": _sha256(path), "size": path.stat().st_size}
        for path in sorted(directory.iterdir())
        if path.is_file() and path.name not in (MANIFEST, CARD)
    }
    try:
        draft = Manifest.model_validate({**facts, "files": files})
    except ValidationError as error:
        raise BundleError(directory, f"no valid manifest: {error.errors()[0]['msg']}") from error
    manifest = draft.model_copy(update={"version": draft.fingerprint()})
    (directory / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _check(directory: Path, name: str, expected: File) -> None:
    try:
        size, sha256 = (directory / name).stat().st_size, _sha256(directory / name)
    except OSError as error:
        raise BundleError(directory, f"{name} can't be read ({error.strerror})") from error
    if size != expected.size:
        raise BundleError(directory, f"{name} has {size} bytes instead of {expected.size}")
    if sha256 != expected.sha256:
        raise BundleError(directory, f"{name} is damaged: its hash is not the manifest's")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
