"""Models of the Hugging Face Hub: which commit is meant, and its files. What was fetched once works without the Hub."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overheard.errors import BundleError
from overheard.scoring.bundle import MANIFEST, is_bundle, read_manifest

TIMEOUT_S: Final = 10
_NAME: Final = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_FILES: Final = ("*.json", "*.safetensors", "*.txt", "*.model")
_FOLDERS: Final = ("*/*",)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubModel:
    """A repository of the Hub at one commit."""

    repository: str
    commit: str


def is_name(model: str) -> bool:
    """Whether this looks like `owner/name` or `owner/name@revision`."""
    return bool(_NAME.fullmatch(model))


def resolve(name: str, models: Path) -> HubModel:
    """The commit that a name stands for: the Hub is asked, unless the name says it.

    When the Hub can't say, it is the commit that it said last (kept in `models`), or the one in the Hub client's
    cache. Raises BundleError when there is none.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise BundleError(name, "is no name of the Hub: write owner/name or owner/name@revision")
    repository, revision = match["repository"], match["revision"] or "main"
    if _COMMIT.fullmatch(revision):
        return HubModel(repository, revision)
    memory = models / "refs" / f"{repository}@{revision}".replace("/", "--")
    try:
        return HubModel(repository, _ask(repository, revision, memory))
    except Exception as error:  # whatever a lost network, a proxy or the Hub's own errors raise in there
        commit = _remembered(memory) or _cached(repository, revision)
        if not commit:
            raise BundleError(name, _advice(error)) from error
        log.warning("the Hub can't say what %s is now (%s): it stays at %s", name, _line(error), commit)
        return HubModel(repository, commit)


def fetch(model: HubModel) -> Path:
    """The directory of a model's files, fetched unless they are in the Hub client's cache: of a bundle those that its
    manifest lists, else those of a checkpoint. Raises BundleError.
    """
    name = f"{model.repository}@{model.commit}"
    log.info("fetching %s", name)
    directory = _download(model, _FILES)
    if is_bundle(directory):
        try:
            return _download(model, (MANIFEST, *read_manifest(directory).files))
        except BundleError as error:
            raise BundleError(name, error.reason) from error
    if not list(directory.glob("*.safetensors")):
        advice = f"name a revision that has them: {model.repository}@REVISION"
        raise BundleError(name, f"has no safetensors, and weights in other formats are not loaded; {advice}")
    return directory


def _download(model: HubModel, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        directory = snapshot_download(
            model.repository,
            revision=model.commit,
            allow_patterns=list(patterns),
            ignore_patterns=list(_FOLDERS),
            etag_timeout=TIMEOUT_S,
        )
    except Exception as error:
        raise BundleError(f"{model.repository}@{model.commit}", _advice(error)) from error
    return Path(directory)


def _ask(repository: str, revision: str, memory: Path) -> str:
    from huggingface_hub import HfApi

    commit = str(HfApi().model_info(repository, revision=revision, timeout=TIMEOUT_S).sha)
    memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = memory.with_name(f".{memory.name}.draft")
    draft.write_text(commit)
    draft.replace(memory)
    return commit


def _remembered(memory: Path) -> str:
    try:
        commit = memory.read_text().strip()
    except OSError:
        return ""
    return commit if _COMMIT.fullmatch(commit) else ""


def _cached(repository: str, revision: str) -> str:
    """The commit of a snapshot that some program of this machine has fetched."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, revision=revision, local_files_only=True)).name
    except Exception:  # there is none
        return ""


def _advice(error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, GatedRepoError):
        return "is gated: accept its terms on the Hub, then set HF_TOKEN"
    if isinstance(error, RepositoryNotFoundError):
        return (
            "is neither a directory here nor a public model of the Hub: check the name, or set HF_TOKEN if it's private"
        )
    if isinstance(error, RevisionNotFoundError):
        return "has no such revision on the Hub: check what stands after the @"
    return (
        f"the Hub can't be reached ({_line(error)}) and no copy is here: start once with a network, "
        "or name a directory with config.json, model.safetensors and tokenizer.json"
    )


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
