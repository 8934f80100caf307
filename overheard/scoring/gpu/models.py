"""Classifiers that read packed texts: BERT and RoBERTa written out, any other family through transformers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from overheard.scoring.gpu import attention
from overheard.scoring.gpu.packing import Shape
from overheard.scoring.gpu.weights import WEIGHTS

_OWN_POSITIONS: Final = ("camembert", "roberta", "xlm-roberta")  # they begin behind the padding token's
_APPROXIMATE: Final = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


class Packed(NamedTuple):
    """The texts of one pass: ids and positions (tokens,), bounds (texts + 1,), all int32, and the longest text."""

    ids: Tensor
    positions: Tensor
    bounds: Tensor
    longest: int

    @classmethod
    def split(cls, words: Tensor, shape: Shape, longest: int) -> "Packed":
        """Views of what `packing.pack` made."""
        ids, positions, bounds = words.tensor_split([shape.tokens, 2 * shape.tokens])
        return cls(ids, positions, bounds, longest)


class Model(Protocol):
    """`first_position`: that of a text's first token; `can_be_recorded`: it never waits for the CPU."""

    first_position: int
    can_be_recorded: bool

    def __call__(self, texts: Packed) -> Tensor:
        """(texts, 3) logits."""


def load(directory: Path, config: Mapping[str, Any], device: torch.device, dtype: torch.dtype) -> Model:
    """The model of a checkpoint. Raises whatever safetensors, torch and transformers raise when it can't be loaded."""
    is_bert = config["model_type"] in ("bert", *_OWN_POSITIONS) and config["hidden_act"] in _APPROXIMATE
    if not is_bert or config.get("position_embedding_type", "absolute") != "absolute" or config.get("is_decoder"):
        return Foreign(directory, device, dtype)
    return Encoder(load_file(directory / WEIGHTS), config, device, dtype)


class _Weights(NamedTuple):
    weight: Tensor
    bias: Tensor


class _Layer(NamedTuple):
    attention: _Weights  # to queries, keys and values at once
    mix: _Weights
    mixed: _Weights
    widen: _Weights
    narrow: _Weights
    narrowed: _Weights


class Encoder:
    """A BERT or RoBERTa with a classifier on the first token. All tokens of a pass are the rows of one matrix."""

    def __init__(
        self, weights: Mapping[str, Tensor], config: Mapping[str, Any], device: torch.device, dtype: torch.dtype
    ) -> None:
        self._weights, self._device, self._dtype = weights, device, dtype
        self._heads: int = config["num_attention_heads"]
        self._epsilon: float = config["layer_norm_eps"]
        self._approximate = _APPROXIMATE[config["hidden_act"]]
        self.attend = attention.choose(device, dtype)
        self.can_be_recorded = self.attend is attention.packed
        words = "embeddings.word_embeddings.weight"
        prefix = next(name for name in weights if name.endswith(words)).removesuffix(words)
        self.first_position: int = config["pad_token_id"] + 1 if config["model_type"] in _OWN_POSITIONS else 0
        self._words = self._take(weights[prefix + words])
        places, kinds = (weights[f"{prefix}embeddings.{name}_embeddings.weight"] for name in ("position", "token_type"))
        self._places = self._take(places.float() + kinds[0].float())
        self._embedded = self._read(f"{prefix}embeddings.LayerNorm")
        self._layers = [self._layer(f"{prefix}encoder.layer.{n}.") for n in range(config["num_hidden_layers"])]
        dense, out = f"{prefix}pooler.dense", "classifier"
        if "classifier.dense.weight" in weights:
            dense, out = "classifier.dense", "classifier.out_proj"
        self._dense, self._out = (self._read(name, dtype=torch.float32) for name in (dense, out))
        self._weights = {}

    def __call__(self, texts: Packed) -> Tensor:
        embedded = functional.embedding(texts.ids, self._words) + functional.embedding(texts.positions, self._places)
        hidden = self._normalise(embedded, self._embedded)
        for layer in self._layers[:-1]:
            hidden = self.layer(layer, hidden, texts)
        first = self._last_layer(self._layers[-1], hidden, texts).float()
        return functional.linear(torch.tanh(functional.linear(first, *self._dense)), *self._out)

    def layer(self, layer: _Layer, hidden: Tensor, texts: Packed) -> Tensor:
        """(tokens, width) to the same."""
        projected = functional.linear(hidden, *layer.attention).view(len(hidden), 3, self._heads, -1)
        bounds, longest = texts.bounds, texts.longest
        queries, keys, values = projected.unbind(1)
        context = self.attend(queries, keys, values, bounds, bounds, longest, longest)
        return self._feed(layer, context, hidden)

    def _last_layer(self, layer: _Layer, hidden: Tensor, texts: Packed) -> Tensor:
        """(texts, width): of the last layer nobody reads more than the first tokens."""
        width, count = hidden.shape[1], len(texts.bounds) - 1
        first = hidden[texts.bounds[:-1].clamp(max=len(hidden) - 1)]  # empty texts may begin behind the last token
        query = _Weights(*(tensor[:width] for tensor in layer.attention))
        others = _Weights(*(tensor[width:] for tensor in layer.attention))
        queries = functional.linear(first, *query).view(count, self._heads, -1)
        keys, values = functional.linear(hidden, *others).view(len(hidden), 2, self._heads, -1).unbind(1)
        one_each = torch.arange(count + 1, dtype=torch.int32, device=hidden.device)
        context = self.attend(queries, keys, values, one_each, texts.bounds, 1, texts.longest)
        return self._feed(layer, context, first)

    def _feed(self, layer: _Layer, context: Tensor, hidden: Tensor) -> Tensor:
        hidden = self._normalise(functional.linear(context.flatten(1), *layer.mix) + hidden, layer.mixed)
        wide = functional.gelu(functional.linear(hidden, *layer.widen), approximate=self._approximate)
        return self._normalise(functional.linear(wide, *layer.narrow) + hidden, layer.narrowed)

    def _normalise(self, hidden: Tensor, weights: _Weights) -> Tensor:
        return functional.layer_norm(hidden, hidden.shape[-1:], *weights, eps=self._epsilon)

    def _layer(self, prefix: str) -> _Layer:
        parts = [self._read(f"{prefix}attention.self.{name}") for name in ("query", "key", "value")]
        names = ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense")
        rest = (*names, "output.dense", "output.LayerNorm")
        together = _Weights(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
        return _Layer(together, *(self._read(prefix + name) for name in rest))

    def _read(self, name: str, dtype: torch.dtype | None = None) -> _Weights:
        return _Weights(*(self._take(self._weights[f"{name}.{kind}"], dtype) for kind in ("weight", "bias")))

    def _take(self, tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        return tensor.to(self._device, dtype or self._dtype)


class Foreign:
    """A model of any family, on padded texts: slower, and right."""

    first_position = 0
    can_be_recorded = False

    def __init__(self, directory: Path, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import AutoModelForSequenceClassification

        model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=dtype, use_safetensors=True)
        self._model = model.to(device).eval()
        self._padding = model.config.pad_token_id or 0

    def __call__(self, texts: Packed) -> Tensor:
        here = attention.mask(texts.bounds, texts.longest)
        ids = attention.unpack(texts.ids, here, self._padding)
        logits: Tensor = self._model(input_ids=ids, attention_mask=here.long()).logits
        return logits.float()
