"""A TFLite model as a network that PyTorch can train, and back into the same file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder, flexbuffers  # type: ignore[import-untyped]
from torch import Tensor, nn

OPERATORS = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
SAME = 0
FILE_IDENTIFIER = b"TFL3"
NOTHING = torch.empty(0)


def read_model(path: Path) -> Any:
    """A TFLite file as objects."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))


def write_model(model: Any, path: Path) -> None:
    """Objects as a TFLite file."""
    builder = Builder(1 << 20)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_bytes(bytes(builder.Output()))
    unfinished.rename(path)


def between(graph: Any, given: Sequence[int], wanted: Sequence[int]) -> list[Any]:
    """The operators that make some tensors from others, in order."""
    needed, chosen = {int(tensor) for tensor in wanted}, []
    for operator in reversed(graph.operators):
        if needed & {int(tensor) for tensor in operator.outputs}:
            chosen.append(operator)
            needed |= {int(tensor) for tensor in operator.inputs} - {int(tensor) for tensor in given}
    return chosen[::-1]


def cut_model(path: Path, given: Sequence[int], wanted: Sequence[int], output: Path) -> None:
    """Write the part of a model between some tensors and others as a model of its own."""
    model = read_model(path)
    graph = model.subgraphs[0]
    graph.operators = between(graph, given, wanted)
    used = sorted({int(t) for op in graph.operators for t in (*op.inputs, *op.outputs) if t >= 0})
    number = {tensor: place for place, tensor in enumerate(used)}
    codes = sorted({op.opcodeIndex for op in graph.operators})
    for op in graph.operators:
        op.inputs = np.array([number.get(int(t), -1) for t in op.inputs], np.int32)
        op.outputs = np.array([number[int(t)] for t in op.outputs], np.int32)
        op.opcodeIndex = codes.index(op.opcodeIndex)
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    graph.tensors = [graph.tensors[tensor] for tensor in used]
    buffers = [schema.BufferT()]
    for tensor in graph.tensors:
        buffers.append(model.buffers[tensor.buffer])
        tensor.buffer = len(buffers) - 1
    model.buffers, model.metadata, model.metadataBuffer, model.signatureDefs = buffers, None, None, None
    graph.inputs = np.array([number[tensor] for tensor in given], np.int32)
    graph.outputs = np.array([number[tensor] for tensor in wanted], np.int32)
    write_model(model, output)


class GraphNet(nn.Module):
    """Runs the graph of a TFLite file, or the part of it from some tensors to others; its constants are the parameters.

    Tensors are [B C H W]. Knows the operations of MediaPipe's face meshes, the custom ones of the attention mesh
    included.
    """

    def __init__(self, path: Path, given: Sequence[int] = (), wanted: Sequence[int] = ()) -> None:
        super().__init__()
        self._model = read_model(path)
        self._graph = self._model.subgraphs[0]
        self.outputs = list(map(int, self._graph.outputs))
        """All tensors that the file's model gives."""
        self._given, self._wanted = given or list(self._graph.inputs), wanted or self.outputs
        self._layout: dict[int, str] = {}
        self._steps: list[tuple[str, Any]] = []
        self._alias: dict[int, int] = {}
        self.weights = nn.ParameterDict()
        for operator in between(self._graph, self._given, self._wanted):
            name = self._name(operator)
            if name == "DEQUANTIZE":
                self._alias[operator.outputs[0]] = operator.inputs[0]
                continue
            self._steps.append((name, operator))
            layouts = {"CONV_2D": ("oihw", "flat"), "DEPTHWISE_CONV_2D": ("depthwise", "flat"), "PRELU": ("flat",)}
            kinds = layouts.get(name, ("raw",) * (len(operator.inputs) - 1))
            for tensor, kind in zip(operator.inputs[1:], kinds, strict=True):
                if self._constant(tensor) is not None and name not in ("PAD", "STRIDED_SLICE", "RESHAPE"):
                    self._add(self._alias.get(tensor, tensor), kind)

    def forward(self, *given: Tensor) -> list[Tensor]:
        """All that is wanted, each [B N]."""
        values = dict(zip(map(int, self._given), given, strict=True))

        def value(tensor: int) -> Tensor:
            tensor = self._alias.get(int(tensor), int(tensor))
            if tensor in values:
                return values[tensor]
            # Shapes and paddings are read from the file where they are needed.
            found: Tensor = self.weights.get(str(tensor), NOTHING)
            return found

        for name, operator in self._steps:
            shape = [int(side) for side in self._graph.tensors[operator.outputs[0]].shape]
            inputs = [value(tensor) for tensor in operator.inputs]
            values[int(operator.outputs[0])] = OPERATIONS[name](operator, shape, *inputs)
        return [values[int(tensor)].flatten(1) for tensor in self._wanted]

    def save(self, path: Path) -> None:
        """The same file with today's parameters, in float16."""
        for tensor, kind in self._layout.items():
            described = self._graph.tensors[tensor]
            numbers = self.weights[str(tensor)].detach().cpu()
            if kind == "oihw":
                numbers = numbers.permute(0, 2, 3, 1)
            elif kind == "depthwise":
                numbers = numbers.permute(1, 2, 3, 0)
            packed = numbers.reshape([int(side) for side in described.shape]).half().numpy()
            self._model.buffers[described.buffer].data = np.frombuffer(packed.tobytes(), np.uint8)
        write_model(self._model, path)

    def _name(self, operator: Any) -> str:
        code = self._model.operatorCodes[operator.opcodeIndex]
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        return str(code.customCode.decode() if OPERATORS[number] == "CUSTOM" else OPERATORS[number])

    def _constant(self, tensor: int) -> np.ndarray | None:
        described = self._graph.tensors[self._alias.get(int(tensor), int(tensor))]
        data = self._model.buffers[described.buffer].data
        if data is None or len(data) == 0:
            return None
        kinds = {schema.TensorType.FLOAT16: np.float16, schema.TensorType.FLOAT32: np.float32}
        numbers = np.frombuffer(bytes(data), kinds.get(described.type, np.int32))
        return numbers.reshape([int(side) for side in described.shape])

    def _add(self, tensor: int, kind: str) -> None:
        numbers = torch.from_numpy(np.asarray(self._constant(tensor), np.float32).copy())
        if kind == "oihw":
            numbers = numbers.permute(0, 3, 1, 2)
        elif kind == "depthwise":
            numbers = numbers.permute(3, 0, 1, 2)
        elif kind == "flat":
            numbers = numbers.flatten()
        self._layout[int(tensor)] = kind
        self.weights[str(tensor)] = nn.Parameter(numbers.contiguous())


def _convolution(operator: Any, _: list[int], x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    stride, groups = operator.builtinOptions.strideH, x.shape[1] // kernel.shape[1]
    if operator.builtinOptions.padding == SAME:
        x = _padded(x, kernel.shape[-1], stride)
    return F.conv2d(x, kernel, bias, stride=stride, groups=groups)


def _padded(x: Tensor, kernel: int, stride: int) -> Tensor:
    """As TensorFlow pads: what is left over goes to the right and below."""
    missing = max(kernel - stride if x.shape[-1] % stride == 0 else kernel - x.shape[-1] % stride, 0)
    before = missing // 2
    return F.pad(x, (before, missing - before, before, missing - before))


def _pooled(operator: Any, _: list[int], x: Tensor) -> Tensor:
    return F.max_pool2d(x, operator.builtinOptions.filterHeight, operator.builtinOptions.strideH)


def _more_channels(_: Any, shape: list[int], x: Tensor, __: Tensor) -> Tensor:
    return F.pad(x, (0, 0, 0, 0, 0, shape[-1] - x.shape[1]))


def _reshaped(_: Any, shape: list[int], x: Tensor, *__: Tensor) -> Tensor:
    return x.reshape(len(x), *shape[1:])


def _region(operator: Any, _: list[int], points: Tensor) -> Tensor:
    """[B 4 4]: from cells of a region's window to cells of the features."""
    options = flexbuffers.Loads(bytes(operator.customOptions))
    across = points[:, options["right_rotation_idx"], :2] - points[:, options["left_rotation_idx"], :2]
    angle = torch.atan2(across[:, 1], across[:, 0]) - options["target_rotation_radians"]
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([cos, -sin, sin, cos], 1).reshape(-1, 2, 2)
    upright = points[:, options["subset_idxs"], :2] @ turn
    low, high = upright.amin(1), upright.amax(1)
    centre = torch.einsum("bij,bj->bi", turn, (low + high) / 2)
    sides = points.new_tensor([options["output_width"], options["output_height"]])
    scales = (high - low) * points.new_tensor([options["scale_x"], options["scale_y"]]) / sides
    linear = turn * scales[:, None]
    matrix = torch.eye(4, dtype=points.dtype, device=points.device).repeat(len(points), 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 3] = centre - linear @ (sides / 2)
    return matrix


def _cut(_: Any, shape: list[int], features: Tensor, matrix: Tensor) -> Tensor:
    """The window of the features, bilinear, zero outside."""
    height, width = features.shape[2:]
    y, x = torch.meshgrid(torch.arange(shape[1]) + 0.5, torch.arange(shape[2]) + 0.5, indexing="ij")
    cells = torch.stack([x, y], -1).to(features)
    places = torch.einsum("bij,hwj->bhwi", matrix[:, :2, :2], cells) + matrix[:, None, None, :2, 3]
    inside = ((places >= 0.5) & (places <= features.new_tensor([width, height]) - 0.5)).all(-1)
    grid = places / features.new_tensor([width, height]) * 2 - 1
    return F.grid_sample(features, grid, align_corners=False) * inside[:, None]


def _in_crop(_: Any, __: list[int], points: Tensor, matrix: Tensor) -> Tensor:
    return points @ matrix[:, :2, :2].transpose(1, 2) + matrix[:, None, :2, 3]


OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": lambda _, __, x, slopes: F.prelu(x, slopes),
    "MAX_POOL_2D": _pooled,
    "PAD": _more_channels,
    "ADD": lambda _, __, one, other: one + other,
    "MUL": lambda _, __, one, other: one * other,
    "RESHAPE": _reshaped,
    "STRIDED_SLICE": lambda _, __, x, *___: x,
    "Landmarks2TransformMatrix": _region,
    "TransformTensorBilinear": _cut,
    "TransformLandmarks": _in_crop,
}
