"""A bundle is either whole or refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from overheard.errors import BundleError
from overheard.scoring.bundle import LABELS, is_bundle, load_manifest, write_manifest

FACTS: dict[str, Any] = {
    "name": "small",
    "max_tokens": 64,
    "temperature": 1.25,
    "quantisation": "int8",
    "base": "a base",
    "created": datetime(2026, 1, 2, tzinfo=UTC),
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(b"weights" * 100)
    (tmp_path / "tokenizer.json").write_text("{}")
    write_manifest(tmp_path, FACTS)
    return tmp_path


def edit(bundle: Path, **changes: Any) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "manifest.json").write_text(json.dumps(manifest | changes))


def test_what_was_written_is_read_back(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    assert (manifest.name, manifest.max_tokens, manifest.temperature) == ("small", 64, 1.25)
    assert manifest.labels == LABELS == ("negative", "neutral", "positive")
    assert manifest.created == FACTS["created"]


def test_equal_files_and_facts_have_equal_versions(bundle: Path) -> None:
    first = load_manifest(bundle).version
    assert write_manifest(bundle, FACTS | {"name": "renamed"}).version == first


@pytest.mark.parametrize(
    "change", [{"temperature": 1.5}, {"max_tokens": 65}, {"labels": ("positive", "neutral", "negative")}]
)
def test_a_fact_that_changes_answers_changes_the_version(bundle: Path, change: dict[str, Any]) -> None:
    first = load_manifest(bundle).version
    assert write_manifest(bundle, FACTS | change).version != first


def test_other_weights_are_another_version(bundle: Path) -> None:
    first = load_manifest(bundle).version
    (bundle / "model.onnx").write_bytes(b"others")
    assert write_manifest(bundle, FACTS).version != first


def test_a_truncated_model_is_refused(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"weights" * 99)
    with pytest.raises(BundleError, match=r"model\.onnx has 693 bytes instead of 700"):
        load_manifest(bundle)


def test_one_flipped_bit_is_noticed(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"Weights" + b"weights" * 99)
    with pytest.raises(BundleError, match=r"model\.onnx is damaged"):
        load_manifest(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "manifest.json"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=f"{name} can't be read") as raised:
        load_manifest(bundle)
    assert raised.value.path == bundle
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 1}'])
def test_a_manifest_that_is_none_is_refused_in_one_line(bundle: Path, content: bytes) -> None:
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json is not valid") as raised:
        load_manifest(bundle)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, "format"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": 2.5}, "does not belong to these files"),
        ({"version": ""}, "version is missing"),
        ({"version": "0123456789ab"}, "does not belong to these files"),
        ({"labels": ["bearish", "neutral", "bullish"]}, "labels are bearish"),
        ({"labels": ["negative", "negative", "positive"]}, "labels are negative"),
        ({"files": {}}, "must be listed"),
        ({"files": {"../model.onnx": {"sha256": "0" * 64, "size": 1}}}, "no name for a file"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_manifest_that_can_not_be_true_is_refused(bundle: Path, change: dict[str, Any], reason: str) -> None:
    edit(bundle, **change)
    with pytest.raises(BundleError, match=reason):
        load_manifest(bundle)


def test_a_directory_without_a_model_gets_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="must be listed"):
        write_manifest(tmp_path, FACTS)
    assert not (tmp_path / "manifest.json").exists()


def test_the_card_may_be_written_anew_at_any_time(bundle: Path) -> None:
    (bundle / "README.md").write_text("# A card")
    manifest = write_manifest(bundle, FACTS)
    (bundle / "README.md").write_text("# Another card")
    assert load_manifest(bundle) == manifest
    assert "README.md" not in manifest.files


def test_a_manifest_of_another_program_is_none_of_ours(bundle: Path) -> None:
    assert is_bundle(bundle)
    edit(bundle, temperature="hot")
    assert is_bundle(bundle)  # and can't be loaded
    for content in ('{"short_name": "app", "icons": []}', "[]", "{", ""):
        (bundle / "manifest.json").write_text(content)
        assert not is_bundle(bundle)
    (bundle / "manifest.json").unlink()
    assert not is_bundle(bundle)
