"""Models go to the Hugging Face Hub: what is served, the float weights beside it, the card, and a tag."""

import logging
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from overheard.errors import PublishFailed
from overheard.scoring.bundle import CARD, MANIFEST, REFERENCE, WEIGHTS, Manifest, load_manifest

if TYPE_CHECKING:
    from huggingface_hub import HfApi

TIMEOUT_S: Final = 120
"""For each answer of the Hub; its client by itself would wait for ever."""

_OPTIONAL: Final = ("config.json", REFERENCE, WEIGHTS, "tokenizer_config.json")
"""What not every bundle has: left there from an older one, it would speak for other weights."""

_PASSING: Final = frozenset({408, 409, 412, 425, 429})
log = logging.getLogger(__name__)


def publish(bundle: Path, card: str, repository: str, token: str | None) -> str:
    """Bring a bundle to the Hub in one commit, tagged with its version. Returns the commit's URL.

    card: its README.md. repository: `owner/name`; made, private, when it is missing. token: None for the Hub client's
    own. What is there already is not sent again, so it may be called until it succeeds: content that is published gets
    no second commit. Raises BundleError when the bundle is damaged, PublishFailed when the Hub has not taken it.
    """
    manifest = load_manifest(bundle)
    from huggingface_hub import HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    _bound_waits()
    api = HfApi(token=token)
    try:
        api.create_repo(repository, private=True, exist_ok=True)
        commit = api.create_commit(
            repository, _changes(api, repository, bundle, manifest, card), commit_message=f"Version {manifest.version}"
        )
        _tag(api, repository, manifest.version, commit.oid)
    except Exception as error:  # whatever a lost network, a proxy or the Hub's own errors raise in there
        raise _failure(repository, error) from error
    log.info("published %s: %s", manifest.version, commit.commit_url)
    return str(commit.commit_url)


def _changes(api: "HfApi", repository: str, bundle: Path, manifest: Manifest, card: str) -> list[Any]:
    """What one commit does; its type is `CommitOperation`, which importing costs a second."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = (MANIFEST, *manifest.files)
    there = set(api.list_repo_files(repository))
    return [
        CommitOperationAdd(CARD, card.encode()),
        *(CommitOperationAdd(name, str(bundle / name)) for name in names),
        *(CommitOperationDelete(name) for name in _OPTIONAL if name in there.difference(names)),
    ]


def _tag(api: "HfApi", repository: str, version: str, commit: str) -> None:
    """Have the tag point there: the same version may be published again, with another card or after another version."""
    tags = {tag.name: tag.target_commit for tag in api.list_repo_refs(repository).tags}
    if tags.get(version) == commit:
        return
    if version in tags:
        api.delete_tag(repository, tag=version)
    api.create_tag(repository, tag=version, revision=commit)


@cache
def _bound_waits() -> None:
    """Give the client's connections a timeout; once, since it closes those that are open."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def client() -> Any:
        made = default_client_factory()
        made.timeout = TIMEOUT_S
        return made

    set_client_factory(client)


def _failure(repository: str, error: Exception) -> PublishFailed:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

    cause: BaseException | None = error
    while cause and not isinstance(cause, HfHubHTTPError | OfflineModeIsEnabled):
        cause = cause.__cause__
    if isinstance(cause, HfHubHTTPError):
        return _refusal(repository, cause.response.status_code, cause.server_message or _line(cause))
    if isinstance(cause, OfflineModeIsEnabled):
        return PublishFailed(repository, "HF_HUB_OFFLINE is set: unset it", can_retry=False)
    if isinstance(error, HFValidationError):
        return PublishFailed(repository, "that is no name for it: set OVERHEARD_HF_REPO=owner/name", can_retry=False)
    return PublishFailed(repository, f"the Hub can't be reached ({_line(error)}): try again later", can_retry=True)


def _refusal(repository: str, status: int, said: str) -> PublishFailed:
    said = " ".join(said.split())
    if status >= 500 or status in _PASSING:
        return PublishFailed(repository, f"the Hub answered {status} ({said}): try again later", can_retry=True)
    advice = {
        401: "the token is missing, wrong or expired: set OVERHEARD_HF_TOKEN to one with write access",
        403: "the token may not write there: set OVERHEARD_HF_TOKEN to one with write access to this repository",
        404: "there is no such repository, or the token may not see it: check OVERHEARD_HF_REPO and OVERHEARD_HF_TOKEN",
    }.get(status, f"the Hub does not take it ({status})")
    return PublishFailed(repository, f"{advice}; it said: {said}", can_retry=False)


def _line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
