"""Checkpoints become bundles once: made by a process of its own, kept in the state folder, shared by all workers."""

import fcntl
import hashlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from overheard.errors import BundleError
from overheard.scoring.bundle import Form, load_manifest
from overheard.stack import required

CONVERTER: Final = 1
"""Raise it when the same checkpoint would become another bundle: those that were made before are then made anew."""

_PARTS: Final = (".json", ".safetensors", ".txt", ".model")
log = logging.getLogger(__name__)


def content_of(checkpoint: Path) -> str:
    """sha256 over the names and hashes of what a checkpoint consists of."""
    digest = hashlib.sha256()
    for path in sorted(path for path in checkpoint.iterdir() if path.suffix in _PARTS and path.is_file()):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def place(models: Path, base: str, identity: str, labels: Sequence[str], form: Form | None) -> Path:
    """Where the bundle of a checkpoint is kept. identity: what changes whenever its weights do."""
    facts = json.dumps([CONVERTER, identity, list(labels), form])
    name = re.sub(r"[^\w.-]+", "--", base).strip(".-") or "model"
    return models / f"{name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def is_whole(bundle: Path) -> bool:
    """Whether a bundle is there, unharmed. One that is damaged is told of: it will be made again."""
    if not bundle.exists():
        return False
    try:
        load_manifest(bundle)
    except BundleError as error:
        log.warning("%s: converting it again", error)
        return False
    return True


def convert(source: Path, bundle: Path, base: str, labels: Sequence[str], form: Form | None) -> None:
    """Make `bundle` of the checkpoint in `source`, unless it is there by the time that it's this process's turn.

    Raises BundleError saying why it can't be made.
    """
    bundle.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _turn(bundle):
        if is_whole(bundle):
            return
        log.info("converting %s into %s: once, for all workers that share this folder", base, bundle)
        options = ["--base", base, "--labels", ",".join(labels), *(("--form", form) if form else ())]
        command = [sys.executable, "-m", "overheard.training.convert", str(source), str(bundle), *options]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
        answer = _answer(run.stdout)
        if "version" not in answer:
            raise BundleError(base, _reason(answer, run.returncode))
        log.info("converted %s: %s, version %s", base, answer["form"], answer["version"])


@contextmanager
def _turn(bundle: Path) -> Iterator[None]:
    """One process at a time; the kernel gives the turn on when its holder dies."""
    with (bundle.parent / f".{bundle.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for another process that converts %s", bundle.name)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _answer(output: str) -> dict[str, Any]:
    """The converter's last line; empty when it came to no end."""
    try:
        return dict(json.loads(output.strip().rpartition("\n")[2]))
    except (ValueError, TypeError):
        return {}


def _reason(answer: dict[str, Any], status: int) -> str:
    if "lacks" in answer:
        remedy = required.remedy("train")
        return f"has to be converted, which takes the extra `train` ({answer['lacks']}): {remedy}"
    if "error" in answer:
        return str(answer["error"])
    how = f"was ended by signal {-status}: is there enough memory?" if status < 0 else f"ended with status {status}"
    return f"can't be converted: the process that does it {how}"
