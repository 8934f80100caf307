"""Publishing through the Hub's own client, over HTTP, to a Hub on loopback, and loading what was published."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from overheard import demo
from overheard.scoring.bundle import load_manifest, write_manifest
from tests.hub_uploads import READ, SILENCE, WRITE, WritableHub
from tests.stack import OVERHEARD, free_port

KEYS = ("bundle", "card", "repository", "token")
CARD = "---\nlicense: other\n---\n# A model\n"
PUBLISH = """
import json, logging, sys
from pathlib import Path
from overheard import publish
from overheard.errors import PublishFailed
logging.basicConfig(level="INFO")
publish.TIMEOUT_S = float(sys.argv[1])
for bundle, card, repository, token in json.loads(sys.argv[2]):
    try:
        print(json.dumps({"url": publish.publish(Path(bundle), card, repository, token)}))
    except PublishFailed as error:
        print(json.dumps({"failure": str(error), "can_retry": error.can_retry}))
"""
FACTS = {
    "name": "small",
    "max_tokens": 64,
    "temperature": 1.25,
    "quantisation": "int8",
    "base": "a base",
    "created": datetime(2026, 1, 2, tzinfo=UTC),
}


def clean(url: str, home: Path, **more: str) -> dict[str, str]:
    """An environment in which the Hub's client knows no other Hub, cache or token."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "OVERHEARD_"))}
    return {**own, "HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", **more}


def make(directory: Path, weights: bytes = b"weights" * 1000, **others: str) -> Path:
    directory.mkdir()
    (directory / "model.onnx").write_bytes(weights)
    (directory / "tokenizer.json").write_text("{}")
    for name, content in others.items():
        (directory / name.replace("_", ".")).write_text(content)
    write_manifest(directory, FACTS)
    return directory


class Publisher:
    """Publishes from a process of its own: the Hub's client reads its settings when it is imported."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = ""

    def run(self, *bundles: Path, url: str, timeout_s: float = 10, **environment: str) -> list[dict]:
        """One after the other; what each came to."""
        return self.run_all([{"bundle": bundle} for bundle in bundles], url, timeout_s, **environment)

    def run_all(self, wishes: Sequence[dict], url: str, timeout_s: float = 10, **environment: str) -> list[dict]:
        usual = {"card": CARD, "repository": "owner/model", "token": WRITE}
        arguments = [[str(w[key]) if w[key] else None for key in KEYS] for w in (usual | wish for wish in wishes)]
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PUBLISH, str(timeout_s), json.dumps(arguments)],
            env=clean(url, self.home, **environment),
            capture_output=True,
            text=True,
            check=False,
        )
        self.log = run.stderr
        assert run.returncode == 0, run.stderr
        return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return Publisher(tmp_path / "hf")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[WritableHub]:
    with WritableHub(folder=tmp_path / "hub") as running:
        running.folder.mkdir()
        yield running


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle", model_safetensors="floats" * 500, config_json='{"model_type": "bert"}')


def test_a_bundle_goes_there_in_one_commit_with_its_card_and_a_tag(hub, publisher, bundle) -> None:
    (answer,) = publisher.run(bundle, url=hub.url)
    first, commit = hub.history["owner/model"]  # the first makes the repository
    assert answer == {"url": f"{hub.url}/owner/model/commit/{commit}"}
    expected = {path.name: path.read_bytes() for path in bundle.iterdir()} | {"README.md": CARD.encode()}
    assert hub.files("owner/model") == expected | hub.files("owner/model", first)
    assert hub.tags["owner/model"] == {load_manifest(bundle).version: commit}


def test_publishing_again_changes_nothing(hub, publisher, bundle) -> None:
    first, second = publisher.run(bundle, bundle, url=hub.url)
    assert first == second
    assert len(hub.history["owner/model"]) == 2
    assert len(hub.put) == 2  # the graph and the float weights


def test_another_card_is_another_commit_that_the_tag_follows_and_weights_are_not_sent_again(
    hub, publisher, bundle
) -> None:
    publisher.run_all([{"bundle": bundle}, {"bundle": bundle, "card": CARD + "better\n"}], hub.url)
    assert len(hub.history["owner/model"]) == 3
    assert len(hub.put) == 2
    assert hub.files("owner/model")["README.md"].endswith(b"better\n")
    assert hub.tags["owner/model"] == {load_manifest(bundle).version: hub.history["owner/model"][-1]}


def test_a_new_version_leaves_the_old_tag_and_no_file_that_speaks_for_other_weights(
    hub, publisher, bundle, tmp_path
) -> None:
    newer = make(tmp_path / "newer", b"others" * 1000)
    publisher.run(bundle, newer, url=hub.url)
    old, new = (load_manifest(path).version for path in (bundle, newer))
    assert hub.tags["owner/model"].keys() == {old, new}
    assert "model.safetensors" in hub.files("owner/model", old)
    left = {"README.md", "manifest.json", "model.onnx", "tokenizer.json"}
    assert hub.files("owner/model").keys() == left | {".gitattributes"}


def test_a_token_of_the_environment_serves_where_none_is_given(hub, publisher, bundle) -> None:
    (answer,) = publisher.run_all([{"bundle": bundle, "token": None}], hub.url, HF_TOKEN=WRITE)
    assert "url" in answer


def test_without_a_valid_token_it_says_which_setting_to_change(hub, publisher, bundle) -> None:
    tokens = (None, "hf_unknown")
    for answer in publisher.run_all([{"bundle": bundle, "token": token} for token in tokens], hub.url):
        assert "the token is missing, wrong or expired: set OVERHEARD_HF_TOKEN" in answer["failure"]
        assert answer["can_retry"] is False
        assert "hf_unknown" not in str(answer) + publisher.log


def test_a_token_that_may_only_read_is_named_as_such(hub, publisher, bundle) -> None:
    tokens = (READ, WRITE, READ)  # while the repository is missing, and when it is there
    missing, _, there = publisher.run_all([{"bundle": bundle, "token": token} for token in tokens], hub.url)
    for answer in (missing, there):
        assert "the token may not write there: set OVERHEARD_HF_TOKEN" in answer["failure"]
        assert answer["can_retry"] is False


@pytest.mark.parametrize("where", ["repos/create", "validate-yaml", "commit/main", "/tag/"])
def test_a_hub_in_trouble_is_worth_another_try_which_ends_the_work(hub, publisher, bundle, where) -> None:
    hub.failures.append((where, 500))
    failed, tried_again = publisher.run(bundle, bundle, url=hub.url)
    assert failed["failure"].startswith("publishing to owner/model failed: the Hub answered 500 (")
    assert failed["can_retry"] is True
    assert tried_again == {"url": f"{hub.url}/owner/model/commit/{hub.history['owner/model'][-1]}"}
    assert len(hub.history["owner/model"]) == 2
    assert hub.tags["owner/model"] == {load_manifest(bundle).version: hub.history["owner/model"][-1]}


def test_a_large_file_that_is_refused_is_told_like_any_refusal(hub, publisher, bundle) -> None:
    hub.failures.append(("/lfs/", 403))
    (answer,) = publisher.run(bundle, url=hub.url)
    assert "the token may not write there" in answer["failure"]
    assert answer["can_retry"] is False


def test_a_hub_that_is_away_is_worth_another_try(publisher, bundle) -> None:
    (answer,) = publisher.run(bundle, url=f"http://127.0.0.1:{free_port()}")
    assert "the Hub can't be reached" in answer["failure"]
    assert answer["can_retry"] is True


def test_a_hub_that_never_answers_is_not_waited_for(hub, publisher, bundle) -> None:
    hub.failures.append(("repos/create", SILENCE))
    (answer,) = publisher.run(bundle, url=hub.url, timeout_s=0.5)
    assert "the Hub can't be reached" in answer["failure"]
    assert "timed out" in answer["failure"]
    assert answer["can_retry"] is True


def test_what_the_hub_would_never_take_is_not_worth_another_try(hub, publisher, bundle) -> None:
    names = [{"bundle": bundle, "repository": name} for name in ("owner/-model-", "owner/model..git")]
    *refused, card = publisher.run_all([*names, {"bundle": bundle, "card": "---\nlanguage: en\n---\n"}], hub.url)
    for answer in refused:
        assert "set OVERHEARD_HF_REPO=owner/name" in answer["failure"]
        assert answer["can_retry"] is False
    assert '"license" is required' in card["failure"]
    assert card["can_retry"] is False


def test_offline_mode_is_told_as_what_it_is(hub, publisher, bundle) -> None:
    (answer,) = publisher.run(bundle, url=hub.url, HF_HUB_OFFLINE="1")
    assert answer["failure"] == "publishing to owner/model failed: HF_HUB_OFFLINE is set: unset it"
    assert answer["can_retry"] is False


def test_what_was_published_is_served_as_it_is_even_where_the_hub_is_away(hub, publisher, tmp_path) -> None:
    starter = shutil.copytree(Path(str(files("overheard"))) / "starter", tmp_path / "starter")
    publisher.run(starter, url=hub.url)
    posts = tmp_path / "posts.jsonl"
    posts.write_text("".join(json.dumps({"text": p.text, "label": p.label}) + "\n" for p in demo.posts()[:40]))
    home = tmp_path / "home"

    def evaluate(model: str, url: str) -> dict:
        command = [OVERHEARD, "evaluate", str(posts), "--json", "--model", model]
        environment = clean(url, tmp_path / "reader", HF_TOKEN=READ, OVERHEARD_HOME=str(home))
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return dict(json.loads(run.stdout))

    tagged = f"owner/model@{load_manifest(starter).version}"
    bundled = evaluate("starter", hub.url)
    assert evaluate(tagged, hub.url) == bundled
    (taken,) = home.glob("models/owner--model-*/manifest.json")
    assert taken.read_bytes() == (starter / "manifest.json").read_bytes()
    shutil.rmtree(tmp_path / "reader")
    assert evaluate(tagged, f"http://127.0.0.1:{free_port()}") == bundled


def test_a_published_bundle_that_is_damaged_is_not_served(hub, bundle, tmp_path) -> None:
    (bundle / "model.onnx").write_bytes(b"others!" * 1000)
    hub.publish("owner/damaged", bundle)
    locate = (
        "import sys; from pathlib import Path; from overheard.registry import locate; locate(*sys.argv[1:2], Path('.'))"
    )
    run = subprocess.run(
        [sys.executable, "-c", locate, "owner/damaged"],
        env=clean(hub.url, tmp_path / "hf", PYTHONPATH=str(Path.cwd())),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert re.search(r"model bundle owner/damaged@\w+: model.onnx is damaged", run.stderr)
