"""How a model is to be computed: the fastest form whose answers are still the model's own."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
import onnx
from transformers import PreTrainedModel

from overheard.scoring.bundle import FORMS, Form
from overheard.scoring.engine import Floats
from overheard.training import graph, rewrite
from overheard.training.ranges import measure_ranges
from overheard.training.traced import trace

LEAST_AGREEMENT: Final = 0.985
"""Share of the texts for which a form must name the class that the float32 model names."""

_KEPT_SHARES: Final = (0.25, 0.5)


@dataclass(frozen=True)
class Agreement:
    """How near two answers to the same texts are: same class (share), and how far probabilities differ."""

    argmax: float
    max_difference: float
    mean_difference: float

    @classmethod
    def between(cls, probabilities: Floats, others: Floats) -> "Agreement":
        gaps = np.abs(probabilities - others)
        same = (probabilities.argmax(axis=1) == others.argmax(axis=1)).mean()
        return cls(round(float(same), 4), round(float(gaps.max()), 5), round(float(gaps.mean()), 6))


@dataclass(frozen=True)
class Choice:
    """A form that was found good enough, its graph, and how every form that was tried did."""

    form: Form
    graph: onnx.ModelProto
    kept: tuple[str, ...]
    tried: dict[str, Any]


class Network(Protocol):
    """A model that can be written down as a graph. `parts` are what may be left in float32."""

    parts: tuple[str, ...]

    def build(self, kept: Collection[str]) -> onnx.ModelProto:
        """The graph in int8, but for the parts in `kept`."""


class Drawn:
    """A model of a family that `graph` describes."""

    def __init__(self, model: PreTrainedModel, tokens: Sequence[Sequence[int]]) -> None:
        self._model, self._ranges = model, measure_ranges(model, tokens)
        self.parts = graph.parts(model)

    def build(self, kept: Collection[str]) -> onnx.ModelProto:
        return graph.build(self._model, self._ranges, kept)


class Traced:
    """A model of any other family."""

    def __init__(self, model: PreTrainedModel, tokens: Sequence[Sequence[int]]) -> None:
        self._graph = trace(model)
        self._ranges = rewrite.measure_inputs(self._graph, tokens)
        self.parts = tuple(dict.fromkeys(rewrite.part_of(node) for node in rewrite.linear(self._graph.graph)))

    def build(self, kept: Collection[str]) -> onnx.ModelProto:
        return rewrite.rewrite(self._graph, self._ranges, kept)


def describe(model: PreTrainedModel, tokens: Sequence[Sequence[int]]) -> Network:
    """tokens: of texts that show how far activations reach."""
    return Drawn(model, tokens) if graph.describes(model) else Traced(model, tokens)


def choose(
    network: Network,
    judge: Callable[[onnx.ModelProto], Agreement],
    say: Callable[[str], None],
    forms: Sequence[Form] = FORMS,
    least: float = LEAST_AGREEMENT,
) -> Choice | None:
    """The first of `forms` that agrees well enough with the float32 model; None when none does.

    mixed leaves those parts in float32 whose rounding does most harm: each is tried alone, then a quarter of them are
    kept, then half.
    """
    tried: dict[str, Any] = {}
    for form in forms:
        for kept in _kept(form, network, judge, say):
            built = network.build(kept)
            found = judge(built)
            tried[form] = asdict(found)
            needed = f", at least {least:.1%} are needed" if least else ""
            say(f"{form}: names the same class for {found.argmax:.1%} of the texts{needed}")
            if found.argmax >= least:
                return Choice(form, built, kept, tried)
    return None


def _kept(
    form: Form, network: Network, judge: Callable[[onnx.ModelProto], Agreement], say: Callable[[str], None]
) -> list[tuple[str, ...]]:
    if form == "int8":
        return [()]
    if form == "float32":
        return [network.parts]
    say(f"mixed: looking for the parts that rounding harms most, of {len(network.parts)}")
    left = {part: judge(network.build((part,))).mean_difference for part in network.parts}
    order = sorted(network.parts, key=lambda part: left[part])
    return [tuple(order[: max(1, round(share * len(order)))]) for share in _KEPT_SHARES]
