"""Which model is meant: names to directories of bundles."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from overheard import conversion, hub
from overheard.errors import BundleError
from overheard.model_store import ModelStore
from overheard.scoring.bundle import MANIFEST, Form, load_manifest
from overheard.settings import Settings
from overheard.store.tables.learning import Model

CONFIG = "config.json"
_VERSION = re.compile("[0-9a-f]{12}")


@dataclass(frozen=True)
class _Conversion:
    """A bundle that is made of something else. `source` fetches what it is made of."""

    bundle: Path
    base: str
    source: Callable[[], Path]


def locate(model: str, models: Path, labels: str | None = None, form: Form | None = None) -> Path:
    """The directory of a model's bundle; what is none yet is converted, once, into a folder in `models`.

    model: `starter`, the directory of a bundle or of a checkpoint, or a Hub id, maybe with @revision. labels: what a
    checkpoint's outputs mean where it does not say, with commas. form: how it must be computed; None: as it is served.
    Raises BundleError when there is no such model or it can't be converted.
    """
    names = _names(labels)
    found = _find(model, models, names, form)
    if isinstance(found, Path):
        return found
    if not conversion.is_whole(found.bundle):
        conversion.convert(found.source(), found.bundle, found.base, names, form)
    return found.bundle


def find(model: str, models: Path, labels: str | None = None) -> Path | None:
    """What `locate` returns; None when it would have to convert the model first. Raises BundleError."""
    found = _find(model, models, _names(labels), None)
    if isinstance(found, Path):
        return found
    return found.bundle if conversion.is_whole(found.bundle) else None


def in_service(settings: Settings) -> Path:
    """The directory of the bundle that this home serves: its champion's, else its first model's. Raises BundleError."""
    from overheard.store import models
    from overheard.store.database import Database, exists

    if exists(settings.sql_url):
        with Database(settings.sql_url).read() as session:
            model = models.serving(session, settings.first_model)
        if model:
            return bundle_of(model, settings)
    return locate(settings.first_model, settings.models, settings.first_model_labels)


def named(model: str | None, settings: Settings) -> Path:
    """The directory of the bundle that a person means: a version of this home, else what `locate` takes.

    None is the model in service. Raises BundleError.
    """
    if model is None:
        return in_service(settings)
    if _VERSION.fullmatch(model) and (known := registered(model, settings)):
        return bundle_of(known, settings)
    return locate(model, settings.models, settings.first_model_labels)


def registered(version: str, settings: Settings) -> Model | None:
    """What this home knows of a version."""
    from overheard.store.database import Database, exists

    if not exists(settings.sql_url):
        return None
    with Database(settings.sql_url).read() as session:
        return session.get(Model, version)


def bundle_of(model: Model, settings: Settings) -> Path:
    """The directory of a registered version's bundle, fetched and checked. Raises BundleError when it can't be had."""
    if not model.location:
        return ModelStore(settings).fetch(model.version)
    directory = locate(model.location, settings.models, settings.first_model_labels)
    found = load_manifest(directory).version
    if found != model.version:
        raise BundleError(directory, f"is version {found} now and no longer {model.version}")
    return directory


def _find(model: str, models: Path, labels: Sequence[str], form: Form | None) -> Path | _Conversion:
    directory = Path(str(files("overheard"))) / "starter" if model == "starter" else Path(model).expanduser()
    if (directory / MANIFEST).is_file():
        return _in_form(directory, models, form)
    if (directory / CONFIG).is_file():
        directory = directory.absolute()
        bundle = conversion.place(models, directory.name, conversion.content_of(directory), labels, form)
        return _Conversion(bundle, directory.name, lambda: directory)
    if directory.is_dir():
        raise BundleError(directory, f"has neither {MANIFEST}, as bundles have, nor {CONFIG}, as checkpoints have")
    if hub.is_name(model):
        meant = hub.resolve(model, models)
        base = f"{meant.repository}@{meant.commit}"
        return _Conversion(
            conversion.place(models, meant.repository, base, labels, form), base, lambda: hub.fetch(meant)
        )
    raise BundleError(directory, "not found; name `starter`, a directory, or a model of the Hub")


def _in_form(directory: Path, models: Path, form: Form | None) -> Path | _Conversion:
    """A bundle that is not in the form that is asked for is made anew of its weights."""
    if form is None:
        return directory
    manifest = load_manifest(directory)
    if manifest.form == form:
        return directory
    bundle = conversion.place(models, manifest.name, manifest.version, manifest.labels, form)
    return _Conversion(bundle, manifest.name, lambda: directory)


def _names(labels: str | None) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in labels.split(",")) if labels else ()
