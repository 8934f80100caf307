"""The card of a model, made of what is known about its run: Markdown with the metadata that the Hub reads."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final, TypeAlias

from overheard import hub
from overheard.scoring.bundle import LABELS, MODEL, TOKENIZER, WEIGHTS, Manifest

Facts: TypeAlias = Mapping[str, Any]

_FIGURES: Final = {
    "macro_recall": "macro-recall",
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "ece": "calibration error",
}
_FILES: Final = {
    MODEL: "what is served: inputs `input_ids` and `lengths` (int32), output `logits`",
    WEIGHTS: "the same weights in floats, for GPUs and to train on",
    TOKENIZER: "the tokenizer",
    "config.json": "the architecture, for transformers",
}
_LIMITS: Final = """\
## What it is for, and what not

It is made for counting what is said: the share of negative posts about a brand, and how that moves. Read such a share
with the audit correction that Overheard offers, since mistakes do not cancel out.

- It learned from English posts of social media. It scores other languages and long documents without complaint, and
  such scores mean little.
- It reads words: irony, quoted opinions, mourning and "can't wait" are often misread, and negation is a known weakness.
- What counts as neutral is a labelling habit. It has learned that of the people who labelled its data.
- Language moves on. Figures from the past are the best case for posts of tomorrow.
- It says nothing about a person, and should decide nothing about one.
"""
_LOADING: Final = """\
## How to load it

With Overheard, on labelled posts or in service (`OVERHEARD_FIRST_MODEL`):

    overheard evaluate posts.csv --model {repository}@{version}

With ONNX Runtime alone:

```python
import json
from pathlib import Path

import numpy as np
import onnxruntime
from huggingface_hub import snapshot_download
from tokenizers import Tokenizer

folder = Path(snapshot_download("{repository}", revision="{version}"))
manifest = json.loads((folder / "manifest.json").read_text())
tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
tokenizer.no_padding()
tokenizer.enable_truncation(manifest["max_tokens"])
session = onnxruntime.InferenceSession(folder / "model.onnx")

ids = np.array([tokenizer.encode("@user I love it http").ids], dtype=np.int32)
inputs = {{"input_ids": ids, "lengths": np.array([ids.shape[1]], dtype=np.int32)}}
logits = session.run(["logits"], inputs)[0][0] / manifest["temperature"]
powers = np.exp(logits - logits.max())
print(dict(zip(manifest["labels"], (powers / powers.sum()).tolist())))
```
"""
_LOADING_FLOATS: Final = """\
With transformers, in floats and without the temperature:

```python
from transformers import pipeline

classify = pipeline("text-classification", "{repository}", revision="{version}", top_k=None)
print(classify("@user I love it http"))
```
"""


def card(facts: Facts) -> str:
    """The Markdown of a model's card.

    facts: `manifest` (a Manifest) and whatever else is known, for an imported model nothing: `repository`
    ("owner/name"); `snapshot` {"hash", "rows": {split: n}, "counts": {split: [negative, neutral, positive]}, "fresh":
    {"train", "test", "audit"}, "base_data"}; `params` (of the Recipe); `training` {"seconds", "rows_per_s", "epochs",
    "steps"}; `verdict` (`Verdict.as_dict()`).
    """
    manifest: Manifest = facts["manifest"]
    snapshot, verdict = facts.get("snapshot") or {}, facts.get("verdict") or {}
    params, training = facts.get("params") or {}, facts.get("training") or {}
    sections = [
        _metadata(manifest, snapshot),
        _opening(manifest),
        _making(manifest, snapshot, params, training),
        _verdict(verdict) if verdict else _figures(manifest),
        _calibration(manifest, params),
        _LIMITS,
        _loading(manifest, facts.get("repository") or "OWNER/NAME"),
    ]
    return "\n".join(section for section in sections if section)


def _metadata(manifest: Manifest, snapshot: Facts) -> str:
    data = str(snapshot.get("base_data") or "").partition(":")[0]
    facts = {
        "license": "other",
        "language": "en",
        "library_name": "onnx",
        "pipeline_tag": "text-classification",
        "base_model": manifest.base.partition("@")[0] if hub.is_name(manifest.base) else None,
        "datasets": [data] if hub.is_name(data) and not PurePath(data).suffix else None,
        "tags": ["sentiment-analysis", "social-media", "overheard", manifest.form],
        "metrics": ["recall", "f1", "accuracy"],
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in facts.items() if value]  # JSON is YAML
    return "\n".join(["---", *lines, "---", ""])


def _opening(manifest: Manifest) -> str:
    rows = "\n".join(f"| `{name}` | {_FILES[name]} |" for name in _FILES if name in manifest.files)
    return f"""\
# {_plain(manifest.name)}, version {manifest.version}

Says of a short English post how probably it is negative, neutral or positive. Served by Overheard.

| file | what |
|---|---|
{rows}
| `manifest.json` | labels, temperature, where texts are cut, hashes, metrics |

A text is cut at {manifest.max_tokens} tokens. Mentions become `@user` and links `http` before it is read, in training
as in service.
"""


def _making(manifest: Manifest, snapshot: Facts, params: Facts, training: Facts) -> str:
    parts = ["## How it was made", f"From `{_name(manifest.base)}`; weights as served: {manifest.quantisation}."]
    parts += _data(snapshot) if snapshot else ["What it was trained on is not known here."]
    if params:
        parts.append(f"Recipe: {', '.join(f'`{name}={value}`' for name, value in params.items())}.")
    if training:
        took = f"{_duration(training['seconds'])}: {training['steps']:,} steps, {training['epochs']:g} epochs"
        parts.append(f"Training took {took}, {training['rows_per_s']:,.0f} rows a second.")
    return _paragraphs(parts)


def _data(snapshot: Facts) -> Iterator[str]:
    yield (
        f"Data: `{_name(str(snapshot['base_data']))}` and the labels that people gave here, frozen as the snapshot\n"
        f"`{snapshot['hash']}`."
    )
    counts = snapshot.get("counts") or {}
    rows = [
        (split, f"{n:,}", *(f"{count:,} ({_percent(count / max(n, 1))})" for count in counts.get(split, ())))
        for split, n in snapshot["rows"].items()
    ]
    yield _table(("split", "rows", *LABELS), rows)
    if fresh := snapshot.get("fresh"):
        yield (
            f"Of the labels given here {fresh['train']:,} were trained on, {fresh['test']:,} are in the test split,\n"
            f"and {fresh['audit']:,} more are kept for audits: those are never trained on."
        )


def _verdict(verdict: Facts) -> str:
    whole, (before_ms, ms) = verdict["slices"][0], verdict["ms_per_message"]
    opening = (
        "Judged as it is served, on held-out rows, beside the model that was in service then, version\n"
        f"`{verdict['champion']}`: that one's figure → this one's."
    )
    reasons = [*verdict["reasons"], *(f"against it: {veto}" for veto in verdict["vetoes"])]
    return _paragraphs(
        [
            "## How good it is",
            opening,
            _table(("on", "rows", *_FIGURES.values()), [_row(part) for part in verdict["slices"]]),
            f"Slices of few rows prove little. A message took {before_ms:.2f} → {ms:.2f} ms.",
            "What people say (rows) and what this model says (columns), on all of them:",
            _table(("", *LABELS), _named_counts(whole["challenger"]["confusion"])),
            f"The verdict: **{'promoted' if verdict['promoted'] else 'not promoted'}**.",
            "\n".join(f"- {_plain(reason)}" for reason in reasons),
        ]
    )


def _row(part: Facts) -> tuple[str, ...]:
    before, after = part["champion"], part["challenger"]
    figures = (f"{before[key]:.3f} → {after[key]:.3f}" for key in _FIGURES)
    return _plain(f"{part['kind']} {part['value']}"), f"{after['n']:,}", *figures


def _named_counts(confusion: Sequence[Sequence[int]]) -> list[tuple[str, ...]]:
    return [(label, *(f"{n:,}" for n in counts)) for label, counts in zip(LABELS, confusion, strict=True)]


def _figures(manifest: Manifest) -> str:
    """What the manifest itself says of a model that was not judged here."""
    measured = {
        name: m for name, m in manifest.metrics.items() if isinstance(m, Mapping) and _FIGURES.keys() <= m.keys()
    }
    rows = [
        (_plain(name.replace("_", " ")), f"{found['n']:,}", *(f"{found[key]:.3f}" for key in _FIGURES))
        for name, found in measured.items()
    ]
    parts = ["## How good it is"]
    if rows:
        parts.append(_table(("on", "rows", *_FIGURES.values()), rows))
    else:
        parts.append("It was not measured on labelled posts here: `overheard evaluate` does that.")
    conversion = manifest.metrics.get("conversion") or {}
    if agreement := conversion.get(manifest.form):
        parts.append(
            f"As it is served ({manifest.form}) it names the class that its float32 weights name for\n"
            f"{_percent(agreement['argmax'], 1)} of {conversion['texts']:,} texts."
        )
    return _paragraphs(parts)


def _calibration(manifest: Manifest, params: Facts) -> str:
    temperature = (
        f"Logits are divided by one temperature ({manifest.temperature:.3f}) before the softmax; calibration errors\n"
        "are measured behind it."
    )
    parts = ["## How sure it sounds", temperature]
    if shift := params.get("prior_shift"):
        parts.append(
            f"Probabilities assume a mix of classes that is moved {_percent(shift)} of the way from the training\n"
            "rows' to an equal one, so that a rare class is not missed; their mean is not the share of a class."
        )
    return _paragraphs(parts)


def _loading(manifest: Manifest, repository: str) -> str:
    has_floats = manifest.files.keys() >= {WEIGHTS, "config.json"}
    text = f"{_LOADING}\n{_LOADING_FLOATS}" if has_floats else _LOADING
    return text.format(repository=repository, version=manifest.version)


def _paragraphs(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _name(source: str) -> str:
    """A Hub id as it is; of a path its last part: what folders there are here is nobody's business."""
    return source if hub.is_name(source.partition(":")[0]) else PurePath(source).name.replace("`", "'")


def _plain(text: str) -> str:
    """Names come from people: nothing in them may become a table, a line or markup."""
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"
