"""The shape of the house: what may import what, and how light the light parts are."""

import ast
import subprocess
import sys
from pathlib import Path

UNSAFE_MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")
HEAVY = ("torch", "transformers", "onnxruntime", "mlflow", "datasets")
ROOT = Path(__file__).parent.parent


def imported_by(statement: str) -> tuple[set[str], float]:
    """Names of the modules that a fresh interpreter holds after `statement`, and the CPU seconds that it took."""
    script = f"import sys, time; t = time.process_time(); {statement}; print(time.process_time() - t, *sys.modules)"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    seconds, *modules = output.split()
    return set(modules), float(seconds)


def test_the_import_contracts_hold() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_importing_the_api_brings_no_model_and_no_task() -> None:
    modules, _ = imported_by("import api.app")
    assert not modules.intersection(HEAVY)
    assert not any(module.startswith("worker.tasks") for module in modules)


def test_importing_the_api_takes_under_a_second() -> None:
    """Or, on a machine where the libraries alone take as long, hardly longer than they do."""
    libraries = (
        "import celery.app.base, flask_openapi, numpy, prometheus_client, pydantic_settings, redis, sqlalchemy.orm,"
        "sqlalchemy.dialects.postgresql, sqlalchemy.dialects.sqlite"
    )
    unavoidable = min(imported_by(libraries)[1] for _ in range(5))
    assert min(imported_by("import api.app")[1] for _ in range(5)) < max(1, 1.3 * unavoidable)


def test_the_timetable_and_the_celery_app_import_no_task() -> None:
    modules, _ = imported_by("import beat_schedule, worker.app")
    assert not any(module.startswith("worker.tasks") for module in modules)
    assert not modules.intersection(HEAVY)


def test_a_scoring_worker_imports_no_torch_and_no_mlflow() -> None:
    modules, _ = imported_by("import worker.context, worker.tasks.score, worker.tasks.jobs")
    assert not modules.intersection({"torch", "transformers", "mlflow", "datasets"})


def test_scoring_without_a_device_imports_no_torch() -> None:
    modules, _ = imported_by(
        "import os; os.environ['CUDA_VISIBLE_DEVICES'] = ''; from overheard.registry import locate;"
        "from overheard.scoring.load import load_engine; from overheard.settings import Settings;"
        "settings = Settings.load();"
        "load_engine(locate('starter', settings.models), settings).score(['What a day'])"
    )
    assert "onnxruntime" in modules
    assert not modules.intersection({"torch", "transformers"})


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        path.relative_to(ROOT)
        for folder in ("api", "worker", "overheard")
        for path in (ROOT / folder).rglob("*.py")
        if "os.environ" in (text := path.read_text()) or "os.getenv" in text
    }
    assert readers == {Path("overheard/settings.py")}


def test_no_model_can_bring_code_along() -> None:
    """Pickles run what they hold: nothing here reads one, and weights are safetensors or ONNX alone."""
    unsafe, loaders = [], []
    for path in sorted(path for room in ("api", "overheard", "worker") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            unsafe += [f"{path}: {name}" for name in names if name.partition(".")[0] in UNSAFE_MODULES]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                said = {keyword.arg: keyword.value for keyword in node.keywords}
                owner = ast.unparse(node.func.value)
                if owner == "torch" and node.func.attr in ("load", "save"):
                    unsafe.append(f"{path}: torch.{node.func.attr}")
                if node.func.attr == "from_pretrained" and "Model" in owner:
                    loaders.append(ast.unparse(said.get("use_safetensors", ast.Constant(None))))
                if ast.unparse(said.get("trust_remote_code", ast.Constant(False))) != "False":
                    unsafe.append(f"{path}: trust_remote_code")
    assert unsafe == []
    assert len(loaders) >= 4
    assert set(loaders) == {"True"}
