"""Nets that are only asked, never taught: by OpenVINO where this machine has it, else by PyTorch.

OpenVINO is asked one picture at a time, on one thread: what it says of one doesn't depend on which others are asked
with it, on how many threads, or in which order. `ran_by` says what ran; whatever steers pixels must hold it.
"""

import ctypes
import logging
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from countenance.threads import MOST_THREADS, num_threads

try:
    import openvino
    from openvino import opset13
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
except ImportError:
    openvino = None

_log = logging.getLogger(__name__)

DEVICE = "CPU"
STEPS = 255
"""Of 8 bits; weights have one level less, so that they lie evenly on both sides of zero."""
CONVOLUTION = "Convolution"
INSTRUCTIONS_8_BIT = ("avx512_vnni", "avx_vnni", "amx_int8")


@runtime_checkable
class Runner(Protocol):
    """A net that answers, from several threads at once."""

    @property
    def ran_by(self) -> str:
        """What runs it: name, version and precision."""

    def __call__(self, x_bchw: Float[Tensor, "B C H W"]) -> Tensor:
        """The net's answers."""


def compiled(net: nn.Module, example_bchw: Float[Tensor, "1 C H W"], *, bf16: bool = False) -> Runner:
    """A net of one input and one output, both of them batches; `example_bchw` is a batch of one.

    In float32, or with `bf16` in bfloat16 where the processor multiplies matrices of it (AMX): without, it is slower.
    """
    halves = bf16 and _has("amx_bf16")
    if not has_openvino():
        runner: Runner = _Torch(net, halves=halves)
    else:
        runner = _OpenVino(*_read(net, example_bchw), "bf16" if halves else "f32", "float32")
    _log.info("%s runs by %s", type(net).__name__, runner.ran_by)
    return runner


def compiled_onnx(path: Path, shape: Sequence[int]) -> Runner:
    """A net of one input and one output from an ONNX file, asked one example of `shape` at a time, in float32."""
    if not has_openvino():
        runner: Runner = _OnnxRuntime(path)
    else:
        model = openvino.Core().read_model(str(path))
        model.reshape(list(shape))
        runner = _OpenVino(model, None, "f32", "float32")
    _log.info("%s runs by %s", path.stem, runner.ran_by)
    return runner


def has_openvino() -> bool:
    """Whether OpenVINO is there and knows this processor."""
    return openvino is not None and DEVICE in openvino.Core().available_devices


def runs_by() -> str:
    """What nets run by on this machine: the runtime, its version, and the instructions that choose how."""
    runtime = f"openvino {version('openvino')}" if has_openvino() else f"torch {torch.__version__}"
    return " ".join([runtime, *(each for each in ("amx_bf16", *INSTRUCTIONS_8_BIT) if _has(each))])


def multiplies_8_bits() -> bool:
    """Whether this processor sums products of 8-bit numbers in one instruction, and OpenVINO is there to use it."""
    return has_openvino() and any(_has(each) for each in INSTRUCTIONS_8_BIT)


def in_8_bits(net: nn.Module, examples_bchw: Float[Tensor, "N C H W"]) -> Runner:
    """The net with convolutions of 8-bit numbers, for `multiplies_8_bits`; its answers differ a little.

    Ranges of what goes into each convolution are those that the examples reach; weights have one for each filter. The
    first and the last convolution stay as they are: what they read and give is seen.
    """
    model, source = _read(net, examples_bchw[:1])
    ranges = _ranges(model, examples_bchw)
    for convolution, (low, high) in list(zip(_convolutions(model), ranges, strict=True))[1:-1]:
        _round_input(convolution, low, high)
        _round_weights(convolution)
    runner = _OpenVino(model, source, "f32", "int8")
    _log.info("%s runs by %s", type(net).__name__, runner.ran_by)
    return runner


class _Torch:
    def __init__(self, net: nn.Module, *, halves: bool) -> None:
        self._net = net.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._halves = halves
        self.ran_by = f"torch {torch.__version__} in {'bfloat16' if halves else 'float32'}"

    @torch.inference_mode()
    def __call__(self, x_bchw: Float[Tensor, "B C H W"]) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._halves):
            answers: Tensor = self._net(x_bchw.contiguous(memory_format=torch.channels_last))
        return answers.float()


class _OnnxRuntime:
    def __init__(self, path: Path) -> None:
        import onnxruntime  # noqa: PLC0415 -- a second runtime, for machines that lack the first

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
        self._name = self._session.get_inputs()[0].name
        self.ran_by = f"onnxruntime {onnxruntime.__version__} in float32"

    def __call__(self, x_bchw: Float[Tensor, "B C H W"]) -> Tensor:
        answers = [self._session.run(None, {self._name: one})[0] for one in _each(x_bchw)]
        return torch.from_numpy(np.concatenate(answers))


class _OpenVino:
    def __init__(self, model: Any, source: object, hint: str, precision: str) -> None:
        # OpenVINO may read weights where PyTorch has them.
        self._source = source
        threads = num_threads(0, MOST_THREADS)
        # A stream for each thread that may ask, of one thread each: PyTorch's callers are as many.
        settings = {
            "INFERENCE_PRECISION_HINT": hint,
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._model = _made_ready(model, settings)
        self._own = threading.local()
        self.ran_by = f"openvino {version('openvino')} in {'bfloat16' if hint == 'bf16' else precision}"

    def __call__(self, x_bchw: Float[Tensor, "B C H W"]) -> Tensor:
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        answers = [self._own.request.infer([one])[0] for one in _each(x_bchw)]
        return torch.from_numpy(np.concatenate(answers))


def _each(x_bchw: Float[Tensor, "B C H W"]) -> Iterator[Float32[np.ndarray, "1 C H W"]]:
    return (one[None].contiguous().numpy() for one in x_bchw)


def _has(capability: str) -> bool:
    return bool(torch.cpu.get_capabilities().get(capability))


def _read(net: nn.Module, example_bchw: Float[Tensor, "1 C H W"]) -> tuple[Any, object]:
    """The net as OpenVINO has it, and what must live as long, because its weights may lie there.

    Not by `openvino.convert_model`, which tells its maker over the network that it was called.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # What PyTorch recommends instead takes ten times as long, and OpenVINO can't read all of it.
        warnings.filterwarnings("ignore", "`torch.jit", DeprecationWarning)
        # Sizes are those of the example, as they always are.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python")
        traced = torch.jit.trace(net.eval(), example_bchw.contiguous(), check_trace=False)  # type: ignore[no-untyped-call]
        # What doesn't depend on the picture is worked out here: read by OpenVINO it takes three times as long.
        frozen = torch.jit.freeze(traced)
    frontend = FrontEndManager().load_by_framework("pytorch")
    # OpenVINO doesn't hold on to it.
    decoder = TorchScriptPythonDecoder(frozen, example_input=example_bchw, skip_freeze=True)
    read = frontend.load(decoder)
    for place in read.get_inputs():
        read.set_element_type(place, openvino.Type.f32)
    model = frontend.convert(read)
    model.reshape(list(example_bchw.shape))
    return model, decoder


def _made_ready(model: Any, settings: dict[str, Any]) -> Any:
    with _same_signal_stack():
        return openvino.Core().compile_model(model, DEVICE, settings)


class _SignalStack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def _same_signal_stack() -> Iterator[None]:
    """OpenVINO may leave the thread that asks with a signal stack of its own, of 12 kB: too small for Python's handlers
    on processors with large registers. The next signal, as of Ctrl-C or the end of a child, could end the process.
    """
    if sys.platform != "linux":
        yield
        return
    libc, before = ctypes.CDLL(None), _SignalStack()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)


def _convolutions(model: Any) -> list[Any]:
    return [each for each in model.get_ordered_ops() if each.get_type_name() == CONVOLUTION]


def _ranges(model: Any, examples_bchw: Float[Tensor, "N C H W"]) -> Sequence[tuple[float, float]]:
    """Least and largest number that goes into each convolution."""
    probe = model.clone()
    outputs = [each.input_value(0) for each in _convolutions(probe)]
    probe.add_outputs(outputs)
    runner = _made_ready(probe, {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1})
    low, high = np.full(len(outputs), np.inf), np.full(len(outputs), -np.inf)
    for one in _each(examples_bchw):
        seen = list(runner([one]).to_tuple())[-len(outputs) :]
        low, high = np.minimum(low, [each.min() for each in seen]), np.maximum(high, [each.max() for each in seen])
    return list(zip(low.tolist(), high.tolist(), strict=True))


def _round_input(convolution: Any, low: float, high: float) -> None:
    """Zero, which is put around a picture, stays exactly zero."""
    step = max((max(high, 0) - min(low, 0)) / STEPS, 1e-8)
    below = round(-min(low, 0) / step)
    ends = np.float32(-below * step), np.float32((STEPS - below) * step)
    rounded = opset13.fake_quantize(convolution.input_value(0), *ends, *ends, STEPS + 1)
    convolution.input(0).replace_source_output(rounded.output(0))


def _round_weights(convolution: Any) -> None:
    source = convolution.input_value(1)
    constant = source.get_node()
    while constant.get_type_name() != "Constant":
        constant = constant.input_value(0).get_node()
    reach = np.abs(constant.data.astype(np.float32)).max(axis=(1, 2, 3), keepdims=True).clip(1e-8)
    rounded = opset13.fake_quantize(source, -reach, reach, -reach, reach, STEPS)
    convolution.input(1).replace_source_output(rounded.output(0))
