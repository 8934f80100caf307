"""The documentation names everything that exists, and nothing that doesn't."""

import re
import subprocess
from pathlib import Path

import pytest

from overheard.settings import PREFIX, Settings
from tests.stack import OVERHEARD, RunningStack

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_is_documented_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        row = next((line for line in REFERENCE.splitlines() if line.startswith(f"| `{PREFIX}{name.upper()}` ")), "")
        assert row, f"{PREFIX}{name.upper()} has no row in docs/reference.md"
        assert f"| `{field.default}` |" in row or (field.default is None and "| unset |" in row), row


def test_no_setting_is_documented_that_does_not_exist() -> None:
    named = set(re.findall(rf"^\| `{PREFIX}([A-Z_]+)`", REFERENCE, re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_every_route_is_documented(stack: RunningStack) -> None:
    paths = stack.client.get("/openapi/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert calls == set(re.findall(r"^\| `([A-Z]+ /\S*)`", REFERENCE, re.MULTILINE))


def test_every_command_is_documented_and_its_help_shows_an_example() -> None:
    text = subprocess.run([OVERHEARD, "--help"], capture_output=True, text=True, check=True).stdout
    commands = set(re.findall(r"^│ (\w+)\s{2,}", text, re.MULTILINE))
    assert commands >= {"up", "down", "doctor", "score", "evaluate"}
    assert commands == set(re.findall(r"^\| `overheard (\w+)", REFERENCE, re.MULTILINE))
    for command in ("score", "evaluate"):
        shown = subprocess.run([OVERHEARD, command, "--help"], capture_output=True, text=True, check=True).stdout
        assert f"overheard {command} " in shown


def test_every_metric_is_explained_and_no_alert_asks_for_another(stack: RunningStack) -> None:
    told = set(re.findall(r"^# TYPE (overheard_\w+)", stack.client.get("/metrics").text, re.MULTILINE))
    told = {name for name in told if not name.endswith("_created")}
    assert told == set(re.findall(r"^\| `(overheard_\w+)`", OPERATIONS, re.MULTILINE))
    asked = set(re.findall(r"\b(overheard_\w+)", (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()))
    assert {name.removesuffix("_count") for name in asked} <= told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_readme_says_what_each_folder_is() -> None:
    readme = (ROOT / "README.md").read_text()
    folders = [path.name for path in ROOT.iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    inside = [f"overheard/{path.name}" for path in (ROOT / "overheard").iterdir() if (path / "__init__.py").exists()]
    assert folders
    assert [name for name in folders + inside if f"`{name}/`" not in readme] == []
