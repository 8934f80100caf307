"""Trainable float32 weights out of an int8 graph, for the bundle that ships nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import transformers
from numpy.typing import NDArray
from onnx import numpy_helper

from overheard.errors import BundleError
from overheard.scoring.bundle import MODEL, TOKENIZER, load_manifest
from overheard.training.graph import FAR, LARGE, SMALL, input_name
from overheard.training.nodes import FACTORS, SCALE

Array = NDArray[Any]


def dequantise(bundle: Path, out: Path) -> None:
    """Write a checkpoint (safetensors, config, tokenizer) to `out` that computes what the int8 graph of `bundle` does.

    Raises BundleError when the bundle is damaged or its graph was not written by `export_bundle`.
    """
    manifest = load_manifest(bundle)
    graph = onnx.load(bundle / MODEL)
    try:
        facts = {entry.key: entry.value for entry in graph.metadata_props}
        model = rebuild(json.loads(facts["config"]), graph.graph)
    except (KeyError, ValueError, RuntimeError) as error:
        raise BundleError(bundle, f"{MODEL} holds no weights to train from ({error})") from error
    tokenizer = transformers.PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=str(bundle / TOKENIZER),
        model_max_length=manifest.max_tokens,
        **json.loads(facts["special_tokens"]),
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def rebuild(config: dict[str, Any], graph: onnx.GraphProto) -> transformers.PreTrainedModel:
    """The model in float32. Raises KeyError, ValueError or RuntimeError when weights are missing or of other shapes."""
    settings = transformers.AutoConfig.for_model(**config)
    model: transformers.PreTrainedModel
    model = transformers.AutoModelForSequenceClassification.from_config(settings)  # type: ignore[no-untyped-call]
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(_weight(name, tuple(parameter.shape), settings, constants)))
    return model


def _weight(name: str, shape: tuple[int, ...], settings: Any, constants: dict[str, Array]) -> Array:
    if name.endswith("token_type_embeddings.weight"):
        return np.zeros(shape, dtype=np.float32)  # the graph has them in its positions
    layer, _, kind = name.rpartition(".")
    value = _read(name, constants)
    if kind == "weight" and input_name(layer) + FACTORS in constants:
        value = value * constants[input_name(layer) + FACTORS][:, None]
    if layer.endswith(".self.value"):  # the ones beside the values
        value = value.reshape(*value.shape[:-1], settings.num_attention_heads, -1)[..., :-1]
        value = value.reshape(*value.shape[:-2], -1)
    if ".layer." in name and value.ndim > 1:
        value = value.T
    if value.shape != shape:
        raise ValueError(f"{name} is of shape {value.shape} instead of {shape}")
    return np.ascontiguousarray(value)


def _read(name: str, constants: dict[str, Array]) -> Array:
    """A parameter as the graph has it, in float32 and in one piece."""
    if name + LARGE not in constants:
        return constants[name] * constants.get(name + SCALE, np.float32(1))
    large, small = _read(name + LARGE, constants), _read(name + SMALL, constants)
    if name.endswith("intermediate.dense.weight"):
        return np.concatenate([large, small], axis=1)
    if name.endswith("output.dense.bias"):
        return large + small
    if name + FAR in constants:
        large[: len(constants[name + FAR])] = constants[name + FAR]
    return np.concatenate([large, small])
