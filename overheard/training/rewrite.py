"""int8 for graphs that were traced: their linear layers get fixed input ranges, all else stays as it is."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from overheard.scoring.batches import plan
from overheard.training.nodes import MICROSOFT, Activation, Nodes
from overheard.training.quantise import Array

_TOKEN_BUDGET: Final = 2048
_OTHERS: Final = "others"


def part_of(node: onnx.NodeProto) -> str:
    """The layer of the encoder that a node belongs to, by the name that its trace gave it."""
    found = re.search(r"\.(\d+)/", node.name)
    return f"layer.{found.group(1)}" if found else _OTHERS


def linear(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The multiplications by a weight."""
    weights = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    return (node for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights)


def measure_inputs(model: onnx.ModelProto, tokens: Sequence[Sequence[int]]) -> dict[str, Array]:
    """(2, width) smallest and largest value per channel, by tensor, of all that linear layers read of the texts.

    tokens: token ids of the texts, special tokens included. Padding does not count, nor do tensors that are not
    (n, length, width): these hold no texts.
    """
    names = list(dict.fromkeys(node.input[0] for node in linear(model.graph)))
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    found: dict[str, Array] = {}
    for indices in plan([len(ids) for ids in tokens], _TOKEN_BUDGET):
        lengths = np.array([len(tokens[index]) for index in indices], dtype=np.int32)
        ids = np.zeros((len(indices), lengths.max()), dtype=np.int32)
        for row, index in zip(ids, indices, strict=True):
            row[: len(tokens[index])] = tokens[index]
        mask = np.arange(ids.shape[1]) < lengths[:, None]
        for name, value in zip(names, session.run(names, {"input_ids": ids, "lengths": lengths}), strict=True):
            if value.ndim == 3 and value.shape[:2] == ids.shape:
                rows = value[mask]
                before = found.get(name, rows[:1].repeat(2, axis=0))
                found[name] = np.stack([np.minimum(before[0], rows.min(0)), np.maximum(before[1], rows.max(0))])
    return found


def rewrite(model: onnx.ModelProto, ranges: Mapping[str, Array], kept: Collection[str] = ()) -> onnx.ModelProto:
    """The model with its linear layers in int8, but for those whose input has no range or whose part is in `kept`."""
    chosen = [node for node in linear(model.graph) if node.input[0] in ranges and part_of(node) not in kept]
    rewriter = _Rewriter(model.graph, chosen, ranges)
    rewriter.run()
    graph = helper.make_graph(
        rewriter.nodes,
        model.graph.name,
        model.graph.input,
        model.graph.output,
        [*_used(model.graph.initializer, rewriter.nodes), *rewriter.constants.values()],
    )
    opsets = [*model.opset_import, helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=model.ir_version)


class _Rewriter(Nodes):
    """Copies the nodes of a graph in their order, the chosen ones in int8 together with the bias that is added next."""

    def __init__(self, graph: onnx.GraphProto, chosen: Iterable[onnx.NodeProto], ranges: Mapping[str, Array]) -> None:
        super().__init__()
        self.graph, self.ranges = graph, ranges
        self.chosen = {node.output[0]: node for node in chosen}
        self.tables = {tensor.name: tensor for tensor in graph.initializer}
        self.encoded: dict[str, Activation] = {}
        self.renamed: dict[str, str] = {}

    def run(self) -> None:
        biases = self._biases()
        folded = {id(node) for node in biases.values()}
        for node in self.graph.node:
            if node.output[0] in self.chosen:
                self._multiply(node, biases.get(node.output[0]))
            elif id(node) not in folded:
                copy = onnx.NodeProto()
                copy.CopyFrom(node)
                copy.input[:] = [self.renamed.get(name, name) for name in node.input]
                self.nodes.append(copy)

    def _biases(self) -> dict[str, onnx.NodeProto]:
        """The addition of a vector to what a chosen node computes, where nothing else reads that."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        return {
            output: readers[output][0]
            for output in self.chosen
            if len(readers.get(output, [])) == 1
            and readers[output][0].op_type == "Add"
            and any(len(self.tables[name].dims) == 1 for name in readers[output][0].input if name in self.tables)
        }

    def _multiply(self, node: onnx.NodeProto, adds: onnx.NodeProto | None) -> None:
        tensor = node.input[0]
        if tensor not in self.encoded:
            source = self.renamed.get(tensor, tensor)
            self.encoded[tensor] = self.smooth(source, f"{tensor}.encoded", self.ranges[tensor])
        weight = numpy_helper.to_array(self.tables[node.input[1]])
        bias = np.zeros(weight.shape[1], dtype=np.float32)
        if adds:
            (name,) = [name for name in adds.input if name in self.tables]
            bias = numpy_helper.to_array(self.tables[name])
        result = self.multiply(self.encoded[tensor], node.name, weight, bias)
        self.renamed[(adds or node).output[0]] = result


def _used(tensors: Iterable[onnx.TensorProto], nodes: Iterable[onnx.NodeProto]) -> list[onnx.TensorProto]:
    read = {name for node in nodes for name in node.input}
    return [tensor for tensor in tensors if tensor.name in read]
