"""An ONNX graph written node by node, with what int8 inference is made of."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from overheard.training.quantise import Array, quantise_columns

MICROSOFT: Final = "com.microsoft"
SCALE: Final = ".scale"
FACTORS: Final = ".factors"
SMOOTHING: Final = 0.8


@dataclass(frozen=True)
class Activation:
    """A layer's input and what the layer must know: scale and zero point by name, none when it stays in float32.

    factors: (width,), what the channels were divided by before they were quantised.
    """

    tensor: str
    scale: str = ""
    zero: str = ""
    factors: Array | None = None


class Nodes:
    """Nodes in the order in which they run. Every method that adds one returns the name of what it computes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, op: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """One node; `output` is made up where it is not given."""
        output = output or f"{op}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, value: Any, dtype: type[np.generic] = np.float32) -> str:
        """A tensor that is stored with the graph."""
        self.constants[name] = numpy_helper.from_array(np.asarray(value, dtype=dtype, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """A vector of int64: axes, bounds or a shape."""
        return self.constant("_".join(map(str, ("integers", *values))), values, np.int64)

    def smooth(self, tensor: str, name: str, ranges: Array) -> Activation:
        """Quantise a layer's input, its large channels divided by factors. ranges: (2, width), lowest and highest."""
        low, high = ranges
        peaks = np.maximum(np.maximum(-low, high), 1e-6)
        factors = ((peaks / np.median(peaks)) ** SMOOTHING).astype(np.float32)
        tensor = self.add("Mul", tensor, self.constant(name + FACTORS, 1 / factors))
        return self.encode(tensor, name, (low / factors).min(), (high / factors).max(), factors)

    def encode(self, tensor: str, name: str, low: float, high: float, factors: Array) -> Activation:
        """Quantise to uint8 over a fixed range that holds 0; what lies outside becomes its nearest bound."""
        low, high = min(low, 0.0), max(high, 1e-6)
        scale = (high - low) / 255
        zero = self.constant(f"{name}.zero", round(-low / scale), np.uint8)
        names = self.constant(f"{name}.input_scale", scale), zero
        return Activation(self.add("QuantizeLinear", tensor, *names), *names, factors)

    def multiply(self, source: Activation, name: str, weight: Array, bias: Array, part: str = "") -> str:
        """`weight`: (in, out), and `bias`: (out,), stored as those of the layer `name`, or of a part of it."""
        if source.factors is None:
            product = self.add("MatMul", source.tensor, self.constant(f"{name}.weight{part}", weight))
            return self.add("Add", product, self.constant(f"{name}.bias{part}", bias))
        quantised, scale = quantise_columns(weight * source.factors[:, None])
        return self.add(
            "MatMulIntegerToFloat",
            source.tensor,
            self.constant(f"{name}.weight{part}", quantised, np.int8),
            source.scale,
            self.constant(f"{name}.weight{part}{SCALE}", scale[0]),
            source.zero,
            "",
            self.constant(f"{name}.bias{part}", bias),
            domain=MICROSOFT,
        )

    def model(self, inputs: dict[str, list[str]], output: str, width: int) -> onnx.ModelProto:
        """The finished graph: int32 inputs with their axes by name, and one float32 output (n, width)."""
        graph = helper.make_graph(
            self.nodes,
            "classifier",
            [helper.make_tensor_value_info(name, TensorProto.INT32, axes) for name, axes in inputs.items()],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", width])],
            list(self.constants.values()),
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
