"""The small pretrained nets that ship with the package, and how they are loaded."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float32

GREETING = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


class TfliteNet:
    """A LiteRT model on one thread; not thread-safe."""

    def __init__(self, name: str) -> None:
        with as_file(weights_folder() / f"{name}.tflite") as path:
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        with _ONE_AT_A_TIME, _without_greeting():
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, x_bhwc: Float32[np.ndarray, "1 H W 3"]) -> list[Float32[np.ndarray, "..."]]:
        """All outputs for one image."""
        self._interpreter.set_tensor(self._input, x_bhwc)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


_ONE_AT_A_TIME = threading.Lock()
"""Standard error belongs to the whole process: two threads that redirect it at once would deadlock."""


@contextmanager
def _without_greeting() -> Iterator[None]:
    """Suppress the one line by which LiteRT reports on standard error that it runs on the CPU, and nothing else."""
    # It has no option for that, and the level of its log can't be reached from Python.
    reading_end, writing_end = os.pipe()
    # What doesn't fit into the pipe is lost, but nothing blocks.
    os.set_blocking(writing_end, False)
    # A process started meanwhile holds the pipe open as its standard error; that must not block either.
    os.set_blocking(reading_end, False)
    stderr = os.dup(2)
    os.dup2(writing_end, 2)
    os.close(writing_end)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        with os.fdopen(reading_end, "rb") as caught:
            told = (caught.read() or b"").replace(GREETING, b"")
        if told:
            os.write(2, told)


@cache
def weights_folder() -> Path:
    """Folder of the shipped weights."""
    return Path(str(files("countenance"))) / "weights"
