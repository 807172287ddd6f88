"""From face sets to training batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from countenance.model.augment import augment
from countenance.types import AlignedFace
from countenance.vision.light import even_light


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingBatch:
    """Faces of all people together."""

    warped: Tensor
    """Float32[B 3 S S], −1–1: what the generator sees."""
    clean: Tensor
    """Float32[B 3 S S], −1–1: what it should draw."""
    mask: Tensor
    """Float32[B 1 S S], 0–1."""
    person: Tensor
    """Int64[B], position in the list of people."""


def stack_faces(faces: Iterable[AlignedFace], resolution: int) -> Tensor:
    """A person's faces as UInt8[N 4 2S 2S], RGB and mask: twice the resolution, so that moving them costs no detail."""
    size = 2 * resolution
    pictures = [
        np.dstack(
            [
                cv2.resize(even_light(face.rgb, face.mask), (size, size), interpolation=cv2.INTER_AREA),
                cv2.resize(np.round(face.mask * 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_AREA),
            ]
        ).transpose(2, 0, 1)
        for face in faces
    ]
    return torch.from_numpy(np.stack(pictures))


def to_network_range(faces_b4hw: Tensor) -> Tensor:
    """UInt8 RGB and mask to RGB in −1–1 and mask in 0–1."""
    scale = faces_b4hw.new_tensor([2, 2, 2, 1], dtype=torch.float32)[:, None, None] / 255
    return faces_b4hw.float() * scale - faces_b4hw.new_tensor([1, 1, 1, 0], dtype=torch.float32)[:, None, None]


def draw_batch(
    people: Sequence[Tensor], batch_size: int, resolution: int, rng: torch.Generator, device: torch.device
) -> TrainingBatch:
    """As many faces of each person, drawn at random and augmented."""
    share = batch_size // len(people)
    chosen = [faces[torch.randint(len(faces), (share,), generator=rng)] for faces in people]
    warped, clean, mask = augment(to_network_range(torch.cat(chosen).to(device)), resolution, rng)
    person = torch.arange(len(people), device=device).repeat_interleave(share)
    return TrainingBatch(warped=warped, clean=clean, mask=mask, person=person)
