"""Checkpoints become bundles once: made by a process of its own, kept in the state folder, shared by all workers."""

import fcntl
import hashlib
import json
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from overheard.errors import BundleError
from overheard.scoring.bundle import MANIFEST, Form, is_bundle, load_manifest, read_manifest
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

    A bundle in `source`, as others have published it, is copied when its form is the one that is asked for.
    Raises BundleError saying why it can't be made.
    """
    bundle.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _turn(bundle):
        if is_whole(bundle):
            return
        if is_bundle(source) and form in (None, read_manifest(source).form):
            _copy(source, bundle, base)
            return
        log.info("converting %s into %s: once, for all workers that share this folder", base, bundle)
        options = ["--base", base, "--labels", ",".join(labels), *(("--form", form) if form else ())]
        command = [sys.executable, "-m", "overheard.training.convert", str(source), str(bundle), *options]
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
        answer = _answer(run.stdout)
        if "version" not in answer:
            raise BundleError(base, _reason(answer, run.returncode))
        log.info("converted %s: %s, version %s", base, answer["form"], answer["version"])


def _copy(source: Path, bundle: Path, base: str) -> None:
    """Whole or not at all, in place of a damaged one."""
    with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=f".{bundle.name}-") as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        try:
            for name in (MANIFEST, *read_manifest(source).files):
                shutil.copyfile(source / name, draft / name)
            manifest = load_manifest(draft)
        except BundleError as error:
            raise BundleError(base, error.reason) from error
        except OSError as error:
            raise BundleError(base, f"{error.filename} can't be copied ({error.strerror})") from error
        if bundle.exists():
            bundle.rename(Path(scratch) / "damaged")
        draft.rename(bundle)
    log.info("took over %s: %s, version %s", base, manifest.form, manifest.version)


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
