"""The small pretrained nets that ship with the package, and how they are loaded."""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float32


class TfliteNet:
    """A LiteRT model on one thread; not to be shared between threads."""

    def __init__(self, name: str) -> None:
        with as_file(weights_folder() / f"{name}.tflite") as path:
            self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, x_bhwc: Float32[np.ndarray, "1 H W 3"]) -> list[Float32[np.ndarray, "..."]]:
        """All outputs for one picture."""
        self._interpreter.set_tensor(self._input, x_bhwc)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


@cache
def weights_folder() -> Path:
    """Where the shipped weights lie."""
    return Path(str(files("countenance"))) / "weights"
