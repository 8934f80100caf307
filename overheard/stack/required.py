"""Which packages pyproject.toml asks for, and which of them are not there."""

import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

MISSING = "is not installed"
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"  # there in a checkout


def lacks(extra: str = "") -> dict[str, str]:
    """Packages of the core, or of an extra, that are missing or of a wrong version: name -> what is wrong."""
    found = {}
    for requirement in map(Requirement, requires("overheard") or []):
        if _belongs(requirement, extra) and (lack := _lack(requirement)):
            found[requirement.name] = lack
    return found


def installed(name: str) -> str | None:
    """The version that is installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def remedy(extra: str = "", option: str = "--upgrade") -> str:
    """The command that installs the package with an extra, for a checkout or for an installed package."""
    extras = f"[{extra}]" if extra else ""
    if CONSTRAINTS.exists():
        return f"in {CONSTRAINTS.parent}: {sys.executable} -m pip install {option} -c constraints.txt -e '.{extras}'"
    return f"{sys.executable} -m pip install {option} 'overheard{extras}'"


def _belongs(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    is_core = marker is None or marker.evaluate({"extra": ""})
    return is_core if not extra else not is_core and marker is not None and marker.evaluate({"extra": extra})


def _lack(requirement: Requirement) -> str:
    there = installed(requirement.name)
    if there is None:
        return f"{requirement.name} {MISSING}"
    if requirement.specifier.contains(there, prereleases=True):
        return ""
    return f"{requirement.name} {there} does not satisfy {requirement.specifier}"
