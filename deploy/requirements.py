"""What an image installs: what pyproject.toml and some of its extras require, one a line, with more or without some.

`python deploy/requirements.py postgres --without onnxruntime --with flower`. The images install these in a layer
of their own, which a changed line of code leaves as it is.
"""

import argparse
import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def wanted(extras: list[str], without: list[str], more: list[str]) -> list[str]:
    """Raises KeyError for an extra that pyproject.toml does not have."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    lines = project["dependencies"] + [line for extra in extras for line in project["optional-dependencies"][extra]]
    return [line for line in lines if re.split(r"[^\w.-]", line, maxsplit=1)[0] not in without] + more


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*")
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--with", nargs="*", default=[], dest="more")
    given = parser.parse_args()
    print("\n".join(wanted(given.extras, given.without, given.more)))
