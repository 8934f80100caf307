"""The stages of a training: freeze the data, fine-tune, export, judge.

torch and transformers come in with the first stage that needs them: data that can't be used is said at once.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from overheard import reference, registry
from overheard.model_store import ModelStore
from overheard.scoring.bundle import Manifest, load_manifest
from overheard.scoring.onnx import OnnxEngine
from overheard.scoring.text import key
from overheard.settings import Settings
from overheard.store import labels, models
from overheard.store.database import Database
from overheard.store.trainings import Claim
from overheard.training import environment, gate, judge, snapshot
from overheard.training.data import Rows, load_splits
from overheard.training.pulse import Pulse
from overheard.training.recipe import REFRESH, Recipe
from overheard.training.snapshot import Snapshot

if TYPE_CHECKING:
    from overheard.training.finetune import FineTuned
    from overheard.training.progress import Progress

CHAMPION: Final = "champion"
HISTORY_POINTS: Final = 100


@dataclass(frozen=True)
class Options:
    """What a training was asked for; None: as the settings say. epochs: instead of the recipe's."""

    data: str | None = None
    base: str | None = None
    epochs: float | None = None
    allow_slower: bool = False


@dataclass(frozen=True)
class Served:
    """The model in service: what a challenger has to beat."""

    version: str
    bundle: Path


@dataclass(frozen=True)
class Trained:
    """What a training came to. facts: all that its card and MLflow tell; taught: keys of the labelled texts it read."""

    bundle: Path
    manifest: Manifest
    verdict: gate.Verdict
    facts: dict[str, Any]
    taught: frozenset[str]


@dataclass(frozen=True)
class _Plan:
    """How to learn, from which rows, from where. base: what `finetune` takes; base_name: what people are told."""

    recipe: Recipe
    rows: Rows
    base: str
    base_name: str
    is_refresh: bool


class Work:
    """The stages of one training, in order. What a killed one had done is found in its folder."""

    def __init__(
        self, claim: Claim, options: Options, folder: Path, database: Database, settings: Settings, pulse: Pulse
    ) -> None:
        self.claim, self.options, self.folder = claim, options, folder
        self.database, self.settings, self.pulse = database, settings, pulse
        self.history: list[dict[str, Any]] = list(claim.facts.get("history", []))

    def train(self) -> Trained:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.pulse.say("reading the data")
        champion = self._champion()
        frozen = self._snapshot()
        plan = self._plan(frozen, champion)
        params = {**asdict(plan.recipe), "base": plan.base_name, "is_refresh": plan.is_refresh, "rows": len(plan.rows)}
        facts: dict[str, Any] = {
            "snapshot": frozen.summary(),
            "params": {**params, "champion": champion.version},
            "environment": environment.described(),
        }
        self.pulse.say("fine-tuning", **facts)
        tuned = self._finetune(plan, frozen)
        facts["training"] = {
            "seconds": tuned.seconds,
            "rows_per_s": tuned.rows_per_s,
            "steps": tuned.steps,
            "epochs": tuned.epochs,
        }
        self.pulse.say("exporting", tuned.steps, tuned.steps, **facts)
        manifest = self._export(tuned, frozen, plan)
        self.pulse.say("judging", tuned.steps, tuned.steps, model=manifest.version)
        verdict = self._judge(frozen, champion)
        facts |= {"history": self.history, "verdict": verdict.as_dict(), "model": manifest.version}
        self.pulse.say("registering", tuned.steps, tuned.steps, **facts)
        ModelStore(self.settings).put(self._bundle)
        taught = frozenset(key(row.text) for row in frozen.rows if row.fresh and row.side == "train")
        return Trained(self._bundle, manifest, verdict, facts, taught)

    @property
    def _bundle(self) -> Path:
        return self.folder / "bundle"

    def _champion(self) -> Served:
        """The model in service; the first model makes itself known where no scoring worker has done it."""
        first_model = self.settings.first_model
        with self.database.read() as session:
            model = models.serving(session, first_model)
        if model is None:
            bundle = registry.locate(first_model, self.settings.models, self.settings.first_model_labels)
            manifest = load_manifest(bundle)
            with self.database.write() as session:
                model = models.register(session, manifest, datetime.now(UTC), location=first_model)
            return Served(model.version, bundle)
        return Served(model.version, registry.bundle_of(model, self.settings))

    def _snapshot(self) -> Snapshot:
        path = self.folder / "snapshot.parquet"
        if path.exists():
            return Snapshot.read(path)
        source = self.options.data or self.settings.training_data
        with self.database.read() as session:
            said, audited = labels.for_training(session), labels.audited_keys(session)
        frozen = snapshot.freeze(source, load_splits(source), said, audited)
        frozen.write(path)
        return frozen

    def _plan(self, frozen: Snapshot, champion: Served) -> _Plan:
        """A model that knows its task is refreshed with people's labels; whatever else is asked for learns all rows.

        A refresh starts from what the champion's refreshes started from, with all labels so far: a model that is
        refreshed again and again forgets.
        """
        base = self.options.base or self.settings.base_model
        fresh = frozen.of("train", fresh=True)
        is_refresh = base == CHAMPION and self.options.data is None and bool(fresh)
        recipe = REFRESH if is_refresh else Recipe()
        start = self._root(champion) if is_refresh else champion
        return _Plan(
            recipe=replace(recipe, epochs=self.options.epochs or recipe.epochs),
            rows=fresh if is_refresh else frozen.of("train"),
            base=str(start.bundle) if base == CHAMPION else base,
            base_name=start.version if base == CHAMPION else Path(base).name if Path(base).exists() else base,
            is_refresh=is_refresh,
        )

    def _root(self, champion: Served) -> Served:
        with self.database.read() as session:
            facts = models.get(session, champion.version).facts.get("params", {})
            root = models.get(session, facts["base"]) if facts.get("is_refresh") else None
        return Served(root.version, registry.bundle_of(root, self.settings)) if root else champion

    def _finetune(self, plan: _Plan, frozen: Snapshot) -> "FineTuned":
        from overheard.training.finetune import finetune
        from overheard.training.replay import remember

        old = frozen.of("train", fresh=False)
        return finetune(
            plan.base,
            plan.rows,
            self.folder / "weights",
            plan.recipe,
            validation=None if plan.is_refresh else frozen.of("validation"),  # it would choose what forgot least
            replay=remember(Path(plan.base), old, plan.recipe) if plan.is_refresh else None,
            checkpoints=self.folder / "checkpoints",
            save_every_s=self.settings.checkpoint_every_s,
            on_step=self._told,
        )

    def _told(self, progress: "Progress") -> None:
        shown = {
            "epoch": round(progress.epoch, 3),
            "loss": progress.loss,
            "macro_recall": progress.macro_recall,
            "eta_s": progress.eta_s,
        }
        every = max(1, progress.steps // HISTORY_POINTS)
        if progress.step % every == 0 or progress.step == progress.steps:
            earlier = [
                point for point in self.history if point["step"] < progress.step
            ]  # a resumed one does some again
            self.history = [*earlier, {"step": progress.step, "at": datetime.now(UTC).timestamp(), **shown}]
        self.pulse.say("fine-tuning", progress.step, progress.steps, **shown, history=self.history)

    def _export(self, tuned: "FineTuned", frozen: Snapshot, plan: _Plan) -> Manifest:
        from overheard.training.bundle import make_bundle

        facts = {
            "name": f"overheard-{datetime.now(UTC):%Y-%m-%d}",
            "base": plan.base_name,
            "data_hash": frozen.content_hash,
            "seed": plan.recipe.seed,
        }
        return make_bundle(
            tuned.directory,
            self._bundle,
            seen=frozen.of("train").texts,
            held_out=frozen.of("validation"),
            prior_shift=plan.recipe.prior_shift,
            languages=_languages(plan),
            facts=facts,
            say=lambda line: self.pulse.say("exporting", tuned.steps, tuned.steps),
        )

    def _judge(self, frozen: Snapshot, champion: Served) -> gate.Verdict:
        test = frozen.facts("test")
        engines = OnnxEngine(champion.bundle, 0), OnnxEngine(self._bundle, 0)
        old, new = judge.judge(*engines, [row.text for row in test])
        return gate.decide(
            _exam(test),
            old,
            new,
            gate.Thresholds.of(self.settings),
            leaked_rows=snapshot.leaked(frozen),
            allow_slower=self.options.allow_slower,
        )


def _languages(plan: _Plan) -> Mapping[str, int]:
    """Labels don't say in which language they are: a refreshed model's are those that its base is known to have."""
    known = reference.read(Path(plan.base)) if plan.is_refresh else None
    return known[0].counts.languages if known else {}


def _exam(rows: list[snapshot.Row]) -> gate.Exam:
    return gate.Exam(
        labels=np.array([row.label for row in rows]),
        fresh=np.array([row.fresh for row in rows]),
        sources=np.array([row.source for row in rows]),
        brands=np.array([row.brand for row in rows]),
    )
