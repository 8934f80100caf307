"""What is shipped besides the code: the environment file, the compose file, the images, the workflows."""

import os
import re
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from overheard.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
IN_COMPOSE = set(re.findall(r"\$\{([A-Z_]+)", COMPOSE))
SECRETS = re.findall(r"^([A-Z_]+)=$", EXAMPLE, re.MULTILINE)
OURS = ("migrate", "api", "worker-ml", "worker-io", "worker-train", "beat", "flower", "worker-gpu", "worker-train-gpu")


def test_the_example_names_every_setting_and_what_compose_needs_and_nothing_else() -> None:
    named = re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == {PREFIX + name.upper() for name in Settings.model_fields} | IN_COMPOSE


def test_every_line_of_the_example_is_explained() -> None:
    lines = EXAMPLE.splitlines()
    for above, line in pairwise(lines):
        if re.match(r"#?[A-Z_]+=", line):
            assert above.startswith("# "), f"nothing says what {line} is"


def test_an_example_with_its_defaults_switched_on_is_what_the_settings_say() -> None:
    compose_says = {"home", "host", "port", "flower_port", "mlflow_port", "first_model"}
    for name, field in Settings.model_fields.items():
        shown = re.search(rf"^#{PREFIX}{name.upper()}=(.*)$", EXAMPLE, re.MULTILINE)
        if shown and name not in compose_says:
            assert shown[1] == ("" if field.default is None else str(field.default)), name


def test_a_fresh_environment_has_secrets_of_its_own_and_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for name in (".env.example", "deploy/new-env"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    made = [subprocess.run(["sh", "deploy/new-env"], cwd=tmp_path, capture_output=True, check=False) for _ in range(2)]
    assert [run.returncode for run in made] == [0, 1]
    values = dict(re.findall(r"^([A-Z_]+)=(\w{48})$", (tmp_path / ".env").read_text(), re.MULTILINE))
    assert set(values) == set(SECRETS)
    assert len(set(values.values())) == len(SECRETS)
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", SECRETS)
def test_nothing_starts_without_a_secret(name: str) -> None:
    assert f"${{{name}:?" in COMPOSE
    assert f"${{{name}:-" not in COMPOSE


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_and_bounded_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    if name != "migrate":
        assert service["restart"] == "unless-stopped"
        assert service["stop_grace_period"]
        assert "healthcheck" in service or _target_is_watched(service["build"]["target"])


def _target_is_watched(target: str) -> bool:
    stage = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    return any(part.splitlines()[0].endswith(f" AS {target}") and "\nHEALTHCHECK " in part for part in stage)


def test_only_the_api_can_be_published_to_others() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api", "flower", "mlflow"}
    assert all(port.startswith("127.0.0.1:") for name in ("flower", "mlflow") for port in published[name])
    assert published["api"] == ["${OVERHEARD_HOST:-127.0.0.1}:${OVERHEARD_PORT:-8000}:8000"]
    assert [SERVICES[name]["networks"] for name in ("redis", "postgres")] == [["inside"], ["inside"]]


def test_the_settings_that_compose_gives_exist() -> None:
    given = {name for service in OURS for name in SERVICES[service]["environment"] if name.startswith(PREFIX)}
    assert given <= {PREFIX + name.upper() for name in Settings.model_fields}


def test_images_come_with_their_digests() -> None:
    images = [service["image"] for service in SERVICES.values() if not service["image"].startswith("overheard/")]
    bases = re.findall(r"^FROM (\S+:\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(images) == 2
    assert len(bases) == 1
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", name) for name in images + bases)


def test_actions_come_with_their_hashes() -> None:
    used = [
        line
        for path in (ROOT / ".github" / "workflows").glob("*.yml")
        for line in re.findall(r"uses: (.+)", path.read_text())
    ]
    assert used
    assert [line for line in used if not re.fullmatch(r"\$/.github/.+|[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)] == []


def test_the_api_image_installs_no_engine_and_the_workers_one_does() -> None:
    def required(*arguments: str) -> str:
        command = [sys.executable, "deploy/requirements.py", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ).stdout

    stages = (ROOT / "Dockerfile").read_text()
    api, worker = re.findall(r"requirements\.py (.+) > requirements\.txt", stages)[:2]
    assert not re.search(r"torch|onnxruntime|transformers|mlflow", required(*api.split()))
    in_worker = required(*worker.replace("${EXTRA_PACKAGES}", "").split())
    assert "onnxruntime" in in_worker
    assert "torch" not in in_worker
