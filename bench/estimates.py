"""How far off shares and accuracy are, and how often their intervals hold, on streams whose labels are known.

    python -m bench.estimates --data tweets.parquet --topics topics.parquet --base DIR_OR_HUB_ID \
        --domain products.parquet --domain apple.parquet --cache FOLDER --docs docs/estimates.md

A brand is a topic, or in a stream without topics the posts with its name in their text. Training the model that reads
the topics takes most of an hour on one core, once: what it says is kept in the cache, and a rerun takes seconds.
"""

import argparse
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console

from bench import docs, estimates_report
from bench.estimates_figures import Brand, Model, shown, stream
from bench.estimates_scores import MEASURED_POSTS, STARTER, Stream, Topics, score, train
from bench.machine import machine, versions
from overheard.estimates import Taught
from overheard.performance import Calibration
from overheard.scoring.bundle import read_manifest
from overheard.settings import Settings
from overheard.training.recipe import Recipe

KEYWORDS: Final = ("ipad", "iphone", "google", "android", "apple", "pop-up", "circles", "austin")
TOWARDS: Final = "topics, towards the topic"
SHOWN: Final = ("dunkin", "gucci", "ps4", "ipad", "iphone", "google", "android", "apple")
"""Companies and products, for the picture."""
SHOWN_AUDITS: Final = 100


def main() -> None:
    options = _options()
    facts = json.loads(options.json.read_text()) if options.earlier else _measure(options)
    Console(highlight=False).print(estimates_report.markdown(facts))
    if not options.earlier:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(facts, indent=1) + "\n")
    if options.docs:
        (options.docs.parent / "images" / "estimates.svg").write_text(estimates_report.svg(facts))
        docs.fill(options.docs, "estimates", estimates_report.markdown(facts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.estimates", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="what the starter learned from: id, text, label")
    parser.add_argument("--topics", type=Path, help="posts of many topics: id, text, topic, score")
    parser.add_argument("--domain", type=Path, action="append", default=[], help="another stream: text, label")
    parser.add_argument("--base", help="directory or Hub id of the encoder to start from")
    parser.add_argument("--epochs", type=float, default=Recipe().epochs)
    home = Settings.load().home / "bench"
    parser.add_argument("--cache", type=Path, default=home / "estimates", help="folder of the model and what it said")
    parser.add_argument("--json", type=Path, default=home / "estimates.json")
    parser.add_argument("--docs", type=Path, help="page to put the figures into, its picture beside it")
    parser.add_argument("--draws", type=int, default=100, help="samples of audits per brand")
    parser.add_argument("--from", dest="earlier", action="store_true", help="show the figures in --json again")
    return parser.parse_args()


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    load = os.getloadavg()[0]
    options.cache.mkdir(parents=True, exist_ok=True)
    found = list(_streams(options))
    telling = [(brand, model) for name, brands, model in found if name != TOWARDS for brand in brands]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(load),
        "versions": versions(),
        "draws": options.draws,
        "epochs": options.epochs,
        "streams": [stream(name, brands, model, options.draws) for name, brands, model in found],
        "picture": [shown(brand, model, SHOWN_AUDITS) for brand, model in telling if brand.name in SHOWN],
    }


def _streams(options: argparse.Namespace) -> Iterator[tuple[str, list[Brand], Model]]:
    """Name, brands, and the model that read them."""
    if options.topics:
        topics = Topics.read(options.topics)
        bundle = options.cache / "model"
        if not bundle.exists():
            train(options.data, topics, options.base, bundle, options.epochs)
        said, model = _said(options.cache / "topics.npz", bundle, topics.texts), _known(bundle)
        asked = _as_taught(options.data, topics)
        yield "topics, as taught", _by_topic(topics, said, asked), model
        yield TOWARDS, _by_topic(topics, said, topics.labels), model
    for path in options.domain:
        table = pq.read_table(path, columns=["text", "label"]).to_pydict()
        texts, labels = np.array(table["text"]), np.array(table["label"], np.int64)
        said = _said(options.cache / f"{path.stem}.npz", STARTER, texts)
        yield path.stem, _by_keyword(texts, said, labels), _known(STARTER)


def _said(path: Path, bundle: Path, texts: NDArray[np.str_]) -> NDArray[np.float64]:
    """What a model says of the texts, from the file where it is kept."""
    if not path.exists():
        empty = np.zeros(len(texts), np.int64)
        Stream(texts, score(bundle, texts.tolist()), empty, empty.astype(str)).save(path)
    return Stream.load(path).probabilities


def _known(bundle: Path) -> Model:
    metrics = read_manifest(bundle).metrics
    taught, calibration = Taught.of(metrics), Calibration.of(metrics["calibration"])
    assert taught
    assert calibration
    return Model(taught, calibration)


def _as_taught(data: Path, topics: Topics) -> NDArray[np.int64]:
    """(n,) the label of the message as a whole, which the model was taught to give; -1 where nobody gave one."""
    table = pq.read_table(data, columns=["id", "label"]).to_pydict()
    label_of = dict(zip(table["id"], table["label"], strict=True))
    return np.array([label_of.get(key, -1) for key in topics.ids.tolist()], np.int64)


def _by_topic(topics: Topics, said: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Brand]:
    names, counts = np.unique(topics.names, return_counts=True)
    found = []
    for name in names[counts >= MEASURED_POSTS]:
        own = (topics.names == name) & (labels >= 0)
        found.append(Brand(str(name), said[own], labels[own]))
    return found


def _by_keyword(texts: NDArray[np.str_], said: NDArray[np.float64], labels: NDArray[np.int64]) -> list[Brand]:
    """Brands with posts enough; the whole stream where all of it is about one."""
    lower = np.char.lower(texts)
    named = {word: np.char.find(lower, word) >= 0 for word in KEYWORDS}
    if named["apple"].mean() > 0.5:
        return [Brand("apple", said, labels)]
    large = {word: own for word, own in named.items() if own.sum() >= MEASURED_POSTS}
    return [Brand(word, said[own], labels[own]) for word, own in large.items()]


if __name__ == "__main__":
    main()
