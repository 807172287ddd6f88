"""Face sets as the rebuilt peers learn from them, without holding all faces in memory."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from countenance.types import AlignedFace
from countenance.vision.light import even_light


def stack_faces(faces: Iterable[AlignedFace], resolution: int, folder: Path) -> Tensor:
    """A person's faces as UInt8[N 4 2S 2S], RGB and mask, in even light: at twice the resolution augmenting loses none.

    They lie in a file of the folder, mapped into memory: only the pages of the current batches are loaded. The file has
    no name, so nobody else can open it, and the system deletes it when this process ends, however it ends.

    Raises:
        OSError: the disk is full.
    """
    size, count = 2 * resolution, 0
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            for face in faces:
                file.write(_as_channels(face, size).tobytes())
                count += 1
            file.flush()
        except OSError as error:
            # The error of an unnamed file holds no path.
            error.filename = str(folder)
            raise
        # Private to this process, because torch asks for arrays that it may write to.
        return torch.from_numpy(np.memmap(file, np.uint8, "c", shape=(count, 4, size, size)))


def _as_channels(face: AlignedFace, size: int) -> UInt8[np.ndarray, "4 S S"]:
    layers = [even_light(face.rgb, face.mask), np.round(face.mask * 255).astype(np.uint8)]
    resized = [cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA) for layer in layers]
    return np.dstack(resized).transpose(2, 0, 1)


def to_network_range(faces_b4hw: Tensor) -> Tensor:
    """UInt8 RGB and mask to RGB in −1–1 and mask in 0–1."""
    scale = faces_b4hw.new_tensor([2, 2, 2, 1], dtype=torch.float32)[:, None, None] / 255
    return faces_b4hw.float() * scale - faces_b4hw.new_tensor([1, 1, 1, 0], dtype=torch.float32)[:, None, None]
