"""`overheard models list|show|promote|rollback` and `overheard export`."""

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from overheard.cli.tables import show_table
from overheard.errors import DataError
from overheard.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Model versions: how they did, and which of them serves.")
Version = Annotated[str, typer.Argument(help="A version, as `overheard models list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept.")]


@app.command("list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Versions, newest first.

    Example: overheard models list
    """
    from rich.table import Table

    page = _call("GET", "/models?limit=200")
    if as_json:
        print(json.dumps(page))
        return
    table = Table("version", "", "made", "from", "macro-recall", "verdict", box=None)
    for model in page["models"]:
        verdict = model["verdict"]
        said = "" if verdict is None else "promoted" if verdict["promoted"] else "not promoted"
        recall = f"{verdict['slices'][0]['challenger']['macro_recall']:.4f}" if verdict else ""
        made = model["created_at"][:16].replace("T", " ")
        table.add_row(model["version"], model["alias"] or "", made, model["base"], recall, said)
    show_table(table)


@app.command()
def show(version: Version) -> None:
    """All that is known of one version, as JSON: recipe, data, metrics, verdict.

    Example: overheard models show 6a1f0c2b9d3e
    """
    print(json.dumps(_call("GET", f"/models/{version}"), indent=2))


@app.command()
def promote(version: Version, reason: Reason = "by hand") -> None:
    """Let this version serve, whatever the gate said.

    Example: overheard models promote 6a1f0c2b9d3e --reason "checked by the brand team"
    """
    _say(_call("POST", f"/models/{version}/promote", {"reason": reason}))


@app.command()
def rollback(reason: Reason = "by hand") -> None:
    """Let the previous version serve again; twice leads back.

    Example: overheard models rollback --reason "too many complaints are missed"
    """
    _say(_call("POST", "/models/rollback", {"reason": reason}))


def export(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    model: Annotated[
        str | None, typer.Option(help="A version, `starter`, a directory, a Hub id; unset: the model in service.")
    ] = None,
) -> None:
    """Write a model's bundle to a folder: ONNX, tokenizer, manifest with hashes, and its card.

    Example: overheard export ./model
    """
    from overheard import registry
    from overheard.publishing import card_of
    from overheard.scoring.bundle import CARD, load_manifest

    settings = Settings.load()
    if out.exists():
        raise DataError(f"{out} exists already: name a new folder")
    bundle = registry.named(model, settings)
    shutil.copytree(bundle, out)
    version = load_manifest(out).version
    if known := registry.registered(version, settings):
        (out / CARD).write_text(card_of(known, bundle, settings.hf_repo or ""), encoding="utf-8")
    print(f"{version} -> {out}")


def _call(method: str, path: str, body: Any = None) -> Any:
    from overheard.calls import Calls

    return Calls.connect(Settings.load()).call(method, path, body)


def _say(champion: dict[str, Any]) -> None:
    print(f"{champion['version']} serves; before it served {champion['previous']}")
