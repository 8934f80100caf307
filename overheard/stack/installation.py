"""What `overheard doctor` looks at beyond the checks before a start: the installation itself."""

import subprocess
import sys
from collections.abc import Iterator

from overheard import hub, registry
from overheard.errors import BundleError
from overheard.scoring.bundle import load_manifest
from overheard.settings import Settings
from overheard.stack import required
from overheard.stack.checks import Finding

OLDEST_PYTHON = (3, 11)
EXTRAS = {"": "nothing can start", "local": "`overheard up` can't start", "train": "training answers 503"}
PARTS = {"api.app": "the API", "worker.app": "the workers", "overheard.scoring.onnx": "scoring"}
IMPORT_TIMEOUT_S = 120
INSTALLERS = ("pip", "setuptools", "wheel")  # what a new virtual environment brings; nothing here runs with them


def python() -> Iterator[Finding]:
    number = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("Python", "problem", f"Python {number} is too old", "install Python 3.11 or newer")
    else:
        yield Finding("Python", "ok", number)


def packages() -> Iterator[Finding]:
    """Whether what pyproject.toml asks for is there, in versions that it allows."""
    for extra, consequence in EXTRAS.items():
        lacks = list(required.lacks(extra).values())
        check = f"packages ({extra})" if extra else "packages"
        if not lacks:
            yield Finding(check, "ok", "all there")
        elif extra == "train" and all(lack.endswith(required.MISSING) for lack in lacks):
            yield Finding(check, "warning", f"not installed, so {consequence}", required.remedy(extra))
        else:
            yield Finding(check, "problem", f"{'; '.join(lacks)}, so {consequence}", required.remedy(extra))


def pins() -> Iterator[Finding]:
    """Whether the versions are those that the project was tested with."""
    if not required.CONSTRAINTS.exists():
        return
    other = []
    for line in required.CONSTRAINTS.read_text().splitlines():
        name, _, pinned = line.split("#")[0].split(";")[0].strip().partition("==")
        there = required.installed(name) if pinned and name not in INSTALLERS else None
        if there and there.split("+")[0] != pinned:
            other.append(f"{name} {there} instead of {pinned}")
    if other:
        detail = f"{len(other)} packages differ from constraints.txt: " + ", ".join(other[:5])
        yield Finding("versions", "warning", detail, required.remedy("local,sources,train"))
    else:
        yield Finding("versions", "ok", "as in constraints.txt")


def imports() -> Iterator[Finding]:
    """Whether the parts can be imported, each in a process of its own, as they run."""
    for module, part in PARTS.items():
        command = [sys.executable, "-W", "ignore", "-c", f"import {module}"]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_TIMEOUT_S, check=False)  # noqa: S603
            reason = run.stderr.strip().splitlines()[-1:] if run.returncode else []
        except subprocess.TimeoutExpired:
            reason = [f"still at it after {IMPORT_TIMEOUT_S} s"]
        if reason:
            detail = f"{part} can't be imported: {reason[0]}"
            yield Finding(f"import {module}", "problem", detail, required.remedy("local", "--force-reinstall"))
        else:
            yield Finding(f"import {module}", "ok", f"{part} can be imported")


def model(settings: Settings) -> Iterator[Finding]:
    """Whether the files of the first model hash to what its manifest says."""
    given = settings.first_model
    remedy = "reinstall overheard" if given == "starter" else "name another in OVERHEARD_FIRST_MODEL"
    try:
        bundle = registry.find(given, settings.models, settings.first_model_labels)
        manifest = load_manifest(bundle) if bundle else None
    except BundleError as error:
        yield Finding("model", "problem", str(error), remedy)
        return
    if manifest is None:
        yield _not_here(given)
    else:
        yield Finding("model", "ok", f"{manifest.name} {manifest.version}, {len(manifest.files)} files unharmed")


def _not_here(given: str) -> Finding:
    """What the first start has to do: the Hub alone could say whether there is anything to convert."""
    if not required.lacks("train"):
        remedy = "none is needed: the first start does it, in a minute or two"
        return Finding("model", "warning", f"{given} is not converted yet", remedy)
    if hub.is_name(given):
        detail = f"{given} is not fetched yet, and can't be converted if it is a checkpoint"
        return Finding("model", "warning", detail, f"none is needed for a bundle; else {required.remedy('train')}")
    return Finding("model", "problem", f"{given} is not converted yet", required.remedy("train"))
