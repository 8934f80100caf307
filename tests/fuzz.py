"""`make fuzz`, `python -m tests.fuzz`: schemathesis asks a real stack what `/openapi` allows, and what it does not.

No answer may be a 500, or a status or type that is not documented; 503 and 507 are answers where they are documented.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.stack import RunningStack

WANTED: Final = 5_000
CHECKS: Final = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
STREAM: Final = "/events$"
"""An answer that has no end."""
CONFIGURATION: Final = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503", "507"]
"""
SCHEMATHESIS: Final = str(Path(sys.executable).with_name("schemathesis"))
NO_LIMITS: Final = dict.fromkeys(("rate_per_key", "rate_per_address", "rate_of_wrong_keys"), 0)


@dataclass(frozen=True)
class Outcome:
    """cases: calls that were made; said: what schemathesis printed of what went wrong."""

    cases: int
    failures: int
    said: str


def furnished(home: Path) -> RunningStack:
    """With the demo, so that there are brands, feeds and posts to ask for."""
    return RunningStack(home, demo=True, **NO_LIMITS)


def fuzz(stack: RunningStack, folder: Path, *options: str) -> Outcome:
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    command = [
        *(SCHEMATHESIS, "run", f"{stack.url}/openapi/openapi.json", "--header", f"Authorization: Bearer {stack.key}"),
        *("--checks", CHECKS, "--exclude-path-regex", STREAM, "--suppress-health-check", "all", "--warnings", "off"),
        *("--continue-on-failure", "--no-shrink", "--request-timeout", "60", "--no-color"),
        *("--report", "json", "--report-json-path", "report.json", *options),
    ]
    environment = {**os.environ, "NO_PROXY": "*", "no_proxy": "*", "COLUMNS": "200"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    report = folder / "report.json"
    assert report.exists(), run.stdout + run.stderr
    counts = json.loads(report.read_text())["test_cases"]
    return Outcome(counts["generated"], counts["with_failures"] + counts["errored"], run.stdout)


def main() -> None:
    """With schemathesis' own options, if any: `python -m tests.fuzz --include-path /brands`."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with furnished(folder / "home") as stack:
            outcome = fuzz(stack, folder, *(sys.argv[1:] or ("--phases", "coverage,fuzzing", "--max-examples", "60")))
    sys.stdout.write(outcome.said)
    if outcome.failures:
        sys.exit(f"{outcome.failures} of {outcome.cases:,} cases went wrong")
    if not sys.argv[1:] and outcome.cases < WANTED:
        sys.exit(f"{outcome.cases:,} cases are fewer than {WANTED:,}")


if __name__ == "__main__":
    main()
