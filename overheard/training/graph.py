"""The int8 inference graph of a BERT-like classifier, in the operators that ONNX Runtime's CPU kernels are fastest in.

What makes it fast, and its answers independent of batch mates:
- activations are quantised with fixed ranges, measured once on training texts, never with those of the batch;
- tokens come first, (length, n, width), so that attention transposes neither queries nor keys nor values;
- the softmax is spelt out: a column of ones beside the values makes their weighted sum carry the sum to divide by;
- the last layer computes the first token only, the one that the classifier reads.

What keeps it exact: channels with large activations are divided by a factor that their weights are multiplied with
(after Xiao et al., SmoothQuant, ICML 2023); behind the GELU, where such a factor would cost a pass over the widest
tensor, the few channels that reach furthest stay in float32 (after Dettmers et al., LLM.int8(), NeurIPS 2022) and the
others are quantised in two groups.

Parameters keep their names in the checkpoint, so `dequantise` can read them back; within a feed-forward block the
channels come out in another order, which makes no difference to what it computes.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper
from transformers import PreTrainedModel

from overheard.errors import OverheardError
from overheard.scoring.bundle import LABELS
from overheard.training.nodes import MICROSOFT, SCALE, Activation, Nodes
from overheard.training.quantise import Array, quantise_rows

Ranges: TypeAlias = Mapping[str, Array]
"""(2, width) smallest and largest input of each channel, by the name of the linear layer that takes it."""

INPUTS: Final = {"input_ids": ["n", "length"], "lengths": ["n"]}
FAR: Final = ".far"
LARGE: Final = ".large"
SMALL: Final = ".small"
WORDS: Final = "words"
FAMILIES: Final = ("bert", "camembert", "roberta", "xlm-roberta")
_ACTIVATIONS: Final = {"gelu": "Gelu", "gelu_new": "FastGelu", "gelu_pytorch_tanh": "FastGelu"}
_SCORE_LIMIT: Final = 80.0  # a sum of 512 times exp(80) still is a float32; attention scores stay far below
_FAR_SHARE: Final = 24
_LARGE_SHARE: Final = 4


def input_name(layer: str) -> str:
    """Queries, keys and values read one input: it is named after what they have in common."""
    return layer.rpartition(".")[0] if ".self." in layer else layer


def describes(model: PreTrainedModel) -> bool:
    """Whether this graph computes what models of this kind do."""
    config = model.config
    return (
        config.model_type in FAMILIES
        and config.hidden_act in _ACTIVATIONS
        and not getattr(config, "is_decoder", False)
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
    )


def parts(model: PreTrainedModel) -> tuple[str, ...]:
    """What can be left in float32: the encoder's layers in their order, and the word embeddings."""
    return *(f"layer.{index}" for index in range(model.config.num_hidden_layers)), WORDS


def build(model: PreTrainedModel, ranges: Ranges, kept: Collection[str] = ()) -> onnx.ModelProto:
    """`input_ids` (n, length) int32 and `lengths` (n,) int32 to `logits` (n, labels) float32.

    ranges: of the inputs of all linear layers in the encoder. kept: of `parts`, those that stay in float32. Raises
    OverheardError when the model is of a family that this graph does not describe.
    """
    if not describes(model):
        known = f"{', '.join(FAMILIES)} with {' or '.join(_ACTIVATIONS)}"
        raise OverheardError(
            f"no int8 graph for this kind of {model.config.model_type} model: there is one for {known}"
        )
    return _Builder(model, ranges, kept).build()


class _Builder(Nodes):
    """Between layers a tensor is (length, n, width) float32."""

    def __init__(self, model: PreTrainedModel, ranges: Ranges, kept: Collection[str]) -> None:
        super().__init__()
        self.config, self.ranges, self.kept = model.config, ranges, kept
        self.weights = {name: tensor.float().numpy() for name, tensor in model.state_dict().items()}
        self.prefix = f"{model.base_model_prefix}."
        self.heads: int = self.config.num_attention_heads
        self.head_width: int = self.config.hidden_size // self.heads

    def build(self) -> onnx.ModelProto:
        ids = self.add("Transpose", "input_ids", perm=[1, 0])
        self.length = self.add("Shape", ids, start=0, end=1)
        hidden, mask = self.embed(ids), self.mask()
        for index in range(self.config.num_hidden_layers):
            self.is_whole = f"layer.{index}" in self.kept
            hidden = self.layer(f"{self.prefix}encoder.layer.{index}.", hidden, mask)
        self.classify(self.add("Squeeze", hidden, self.integers(0)))
        return self.model(INPUTS, "logits", len(LABELS))

    def embed(self, ids: str) -> str:
        tables = ("word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight")
        words, places, kinds = (f"{self.prefix}embeddings.{table}" for table in tables)
        embedded = self.look_up(words, ids)
        skipped = self.config.pad_token_id + 1 if self.config.model_type != "bert" else 0  # RoBERTa's own
        start, end = self.integers(skipped), self.add("Add", self.length, self.integers(skipped))
        table = self.constant(places, self.weights[places] + self.weights[kinds][0])
        positions = self.add("Unsqueeze", self.add("Slice", table, start, end, self.integers(0)), self.integers(1))
        return self.normalise(self.add("Add", embedded, positions), f"{self.prefix}embeddings.LayerNorm")

    def look_up(self, words: str, ids: str) -> str:
        if WORDS in self.kept:
            return self.add("Gather", self.constant(words, self.weights[words]), ids)
        quantised, scale = quantise_rows(self.weights[words])
        rows = self.add("Gather", self.constant(words, quantised, np.int8), ids)
        scales = self.add("Gather", self.constant(words + SCALE, scale), ids)
        return self.add("Mul", self.add("Cast", rows, to=TensorProto.FLOAT), scales)

    def mask(self) -> str:
        """(length, n, 1): 1 where a text has a token, 0 where it is padded."""
        places = self.constant("places", np.arange(self.config.max_position_embeddings)[:, None], np.int32)
        here = self.add("Slice", places, self.integers(0), self.length, self.integers(0))
        valid = self.add("Cast", self.add("Less", here, "lengths"), to=TensorProto.FLOAT)
        return self.add("Unsqueeze", valid, self.integers(2))

    def layer(self, name: str, hidden: str, mask: str) -> str:
        is_last = name.endswith(f".{self.config.num_hidden_layers - 1}.")
        source = self.activate(hidden, f"{name}attention.self")
        query = source
        if is_last:
            hidden = self.first(hidden)
            query = replace(source, tensor=self.first(source.tensor))
        context = self.attend(f"{name}attention.self.", query, source, mask)
        attended = self.linear(self.activate(context, f"{name}attention.output.dense"), f"{name}attention.output.dense")
        hidden = self.normalise(self.add("Add", attended, hidden), f"{name}attention.output.LayerNorm")
        return self.normalise(self.add("Add", self.feed(name, hidden), hidden), f"{name}output.LayerNorm")

    def attend(self, name: str, query: Activation, source: Activation, mask: str) -> str:
        by_head = self.integers(0, -1, self.head_width)
        queries = self.add("Reshape", self.linear(query, f"{name}query"), by_head)
        keys = self.add("Reshape", self.linear(source, f"{name}key"), by_head)
        values = self.add("Mul", self.multiply(source, f"{name}value", *self.values_and_one(f"{name}value")), mask)
        values = self.add("Reshape", values, self.integers(0, -1, self.head_width + 1))
        how = {"alpha": self.head_width**-0.5, "transBatchA": 1, "transBatchB": 1, "transB": 1}
        scores = self.add("FusedMatMul", queries, keys, domain=MICROSOFT, **how)
        limits = self.constant("lowest", -_SCORE_LIMIT), self.constant("highest", _SCORE_LIMIT)
        powers = self.add("Exp", self.add("Clip", scores, *limits))
        sums = self.add("FusedMatMul", powers, values, domain=MICROSOFT, transBatchB=1)
        split = [f"{sums}.values", f"{sums}.ones"]
        self.nodes.append(helper.make_node("Split", [sums, self.integers(self.head_width, 1)], split, axis=-1))
        context = self.add("Transpose", self.add("Div", *split), perm=[1, 0, 2])
        return self.add("Reshape", context, self.integers(0, -1, self.config.hidden_size))

    def values_and_one(self, name: str) -> tuple[Array, Array]:
        """The projection to each head's values, with one more output per head that always is 1."""
        weight = self.weights[f"{name}.weight"].T.reshape(-1, self.heads, self.head_width)
        bias = self.weights[f"{name}.bias"].reshape(self.heads, self.head_width)
        weight = np.pad(weight, ((0, 0), (0, 0), (0, 1)))
        return weight.reshape(len(weight), -1), np.pad(bias, ((0, 0), (0, 1)), constant_values=1).ravel()

    def feed(self, name: str, hidden: str) -> str:
        """The feed-forward block, its channels in the order of how far they reach behind the GELU: the first few stay
        in float32, those after them are quantised with one range, the many small ones with another.
        """
        wide, narrow = f"{name}intermediate.dense", f"{name}output.dense"
        if self.is_whole:
            inner = self.linear(Activation(hidden), wide)
            inner = self.add(_ACTIVATIONS[self.config.hidden_act], inner, domain=MICROSOFT)
            return self.linear(Activation(inner), narrow)
        reach = np.abs(self.ranges[narrow]).max(axis=0)
        order = np.argsort(-reach)
        far, large = len(order) // _FAR_SHARE, len(order) // _LARGE_SHARE
        source = self.activate(hidden, wide)
        total = ""
        for part, channels in ((LARGE, order[:large]), (SMALL, order[large:])):
            weight = self.weights[f"{wide}.weight"].T[:, channels]
            inner = self.multiply(source, wide, weight, self.weights[f"{wide}.bias"][channels], part)
            inner = self.add(_ACTIVATIONS[self.config.hidden_act], inner, domain=MICROSOFT)
            back = self.weights[f"{narrow}.weight"].T[channels]
            bias, low = self.weights[f"{narrow}.bias"], self.ranges[narrow][0, channels].min()
            if part == LARGE:
                first = self.add("Slice", inner, self.integers(0), self.integers(far), self.integers(2))
                total = self.add("MatMul", first, self.constant(f"{narrow}.weight{FAR}", back[:far]))
                bias, back, channels = 0 * bias, np.pad(back[far:], ((far, 0), (0, 0))), channels[far:]
            ones = np.ones(len(back), dtype=np.float32)
            quantised = self.encode(inner, narrow + part, low, self.ranges[narrow][1, channels].max(), ones)
            total = self.add("Add", total, self.multiply(quantised, narrow, back, bias, part))
        return total

    def activate(self, tensor: str, name: str) -> Activation:
        return Activation(tensor) if self.is_whole else self.smooth(tensor, name, self.ranges[name])

    def linear(self, source: Activation, name: str) -> str:
        return self.multiply(source, name, self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"])

    def classify(self, first: str) -> None:
        dense, out = (f"{self.prefix}pooler.dense", "classifier")
        if "classifier.dense.weight" in self.weights:
            dense, out = "classifier.dense", "classifier.out_proj"
        hidden = self.add("Tanh", self.whole(first, dense))
        self.whole(hidden, out, "logits")

    def whole(self, tensor: str, name: str, output: str = "") -> str:
        """A linear layer left in float32."""
        parameters = [self.constant(f"{name}.{kind}", self.weights[f"{name}.{kind}"]) for kind in ("weight", "bias")]
        return self.add("Gemm", tensor, *parameters, output=output, transB=1)

    def normalise(self, tensor: str, name: str) -> str:
        parameters = [self.constant(f"{name}.{kind}", self.weights[f"{name}.{kind}"]) for kind in ("weight", "bias")]
        return self.add("LayerNormalization", tensor, *parameters, axis=-1, epsilon=self.config.layer_norm_eps)

    def first(self, tensor: str) -> str:
        return self.add("Slice", tensor, self.integers(0), self.integers(1), self.integers(0))
