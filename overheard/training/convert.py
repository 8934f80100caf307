"""Makes a bundle of a checkpoint: `python -m overheard.training.convert CHECKPOINT OUT --base NAME`.

A process of its own, started by `overheard.conversion`: torch comes and goes with it. Its last line on stdout is JSON,
{"version", "form"}, {"error"}, or {"lacks"}: what could not be imported.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from overheard import demo
from overheard.errors import BundleError, OverheardError
from overheard.scoring.bundle import FORMS, Form, Manifest
from overheard.scoring.text import clean

log = logging.getLogger("convert")


def convert(source: Path, out: Path, base: str, labels: Sequence[str] = (), form: Form | None = None) -> Manifest:
    """Write the bundle `out` of the checkpoint or bundle in `source`, in a form that answers as its float32 weights do.

    labels: what the outputs mean where the checkpoint does not say. form: this one, however well it agrees.
    Raises BundleError when the checkpoint can't be used or no form agrees.
    """
    from overheard.training import forms
    from overheard.training.agreement import Judge
    from overheard.training.checkpoint import open_checkpoint
    from overheard.training.export import with_long_ones, write_bundle

    with tempfile.TemporaryDirectory(prefix="overheard-convert-") as scratch:
        opened = open_checkpoint(source, Path(scratch), labels)
        log.info("%s: a %s model that reads %s tokens", base, opened.model.config.model_type, opened.max_tokens)
        seen, unseen = _texts()
        tokens = opened.tokenizer(
            [clean(text) for text in with_long_ones(seen)], truncation=True, max_length=opened.max_tokens
        )
        network = forms.describe(opened.model, tokens["input_ids"])
        judge = Judge(opened, unseen, Path(scratch) / "draft")
        choice = forms.choose(
            network, judge, log.info, (form,) if form else FORMS, 0 if form else forms.LEAST_AGREEMENT
        )
        if choice is None:
            raise BundleError(base, "its graph does not answer as torch does, in no form: this kind can't be served")
        facts = judge.facts | {"base": base, "name": base.rpartition("/")[2] or base}
        facts["metrics"] = {"conversion": {"texts": len(unseen), "float32_parts": list(choice.kept), **choice.tried}}
        return write_bundle(
            out, choice.graph, opened.model, opened.tokenizer, facts, form=choice.form, with_weights=True
        )


def _texts() -> tuple[list[str], list[str]]:
    """Texts that show how far activations reach, and others that a form is judged on."""
    from overheard.training.export import with_long_ones

    texts = [post.text for post in demo.posts()]
    seen, unseen = texts[::2], texts[1::2]
    pairs = [f"{first} {second}" for first, second in zip(unseen[::2], unseen[1::2], strict=False)]
    return seen, [*with_long_ones(unseen), *pairs]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its exit status: 0, or 1 when the checkpoint can't be used."""
    parser = argparse.ArgumentParser(prog="python -m overheard.training.convert", description=__doc__)
    parser.add_argument("source", type=Path, help="directory of a checkpoint or a bundle")
    parser.add_argument("out", type=Path, help="directory of the bundle that is made")
    parser.add_argument("--base", required=True, help="what the checkpoint is called")
    parser.add_argument("--labels", default="", help="what its outputs mean where it does not say, with commas")
    parser.add_argument("--form", choices=FORMS, help="this form, however well it agrees")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("httpx", "httpx2"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    labels = [label for label in options.labels.split(",") if label]
    try:
        manifest = convert(options.source, options.out, options.base, labels, options.form)
    except BundleError as error:
        print(json.dumps({"error": error.reason}))  # noqa: T201
        return 1
    except OverheardError as error:
        print(json.dumps({"error": f"can't be converted: {error}"}))  # noqa: T201
        return 1
    except ImportError as error:
        print(json.dumps({"lacks": str(error)}))  # noqa: T201
        return 1
    print(json.dumps({"version": manifest.version, "form": manifest.form}))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
