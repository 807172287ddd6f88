"""Drawers without a network, and what is shown to them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from countenance.drawing import NO_REFERENCES, DrawnFace, FaceInput, References
from tests.support.made_up import mesh_at


def face_input(rgb: UInt8[np.ndarray, "S S 3"], mask: Float32[np.ndarray, "S S"], *, track: int = 0) -> FaceInput:
    """A crop with a head that looks ahead in its middle."""
    size = len(rgb)
    return FaceInput(
        lit_rgb=rgb,
        even_rgb=lambda: rgb,
        mask=mask,
        landmarks_xyz=mesh_at((size - 1) / 2, (size - 1) / 2, size / 3.7),
        yaw_pitch_deg=(0.0, 0.0),
        track=track,
    )


class Negative:
    """Draws the negative of what it is shown: unlike the plate everywhere, and different for each crop."""

    def __init__(self, size: int = 64, batch: int = 1) -> None:
        self.size, self.batch, self.digest = size, batch, "negative"
        self.calls: list[list[FaceInput]] = []

    def __call__(self, faces: Sequence[FaceInput]) -> list[DrawnFace]:
        self.calls.append(list(faces))
        return [self.draw(face) for face in faces]

    def draw(self, face: FaceInput) -> DrawnFace:
        return DrawnFace(rgb=1 - face.rgb.astype(np.float32) / 255, mask=face.mask)


class Identity(Negative):
    """Gives back what it is shown."""

    def draw(self, face: FaceInput) -> DrawnFace:
        return DrawnFace(rgb=face.rgb.astype(np.float32) / 255, mask=face.mask)


class Finished(Negative):
    """Gives back what the plate shows, or one grey level, as a face that needs no match."""

    def __init__(self, size: int = 64, batch: int = 1, level: float | None = None) -> None:
        super().__init__(size, batch)
        self.level = level

    def draw(self, face: FaceInput) -> DrawnFace:
        rgb = face.lit_rgb.astype(np.float32) / 255
        return DrawnFace(rgb=rgb if self.level is None else rgb * 0 + self.level, mask=face.mask, finished=True)


class Guided(Negative):
    """Draws each face in the mean colour of the reference nearest in yaw, a dot at the nose, darker for odd tracks."""

    NOSE = 4

    def __init__(self, references: References = NO_REFERENCES, size: int = 64, batch: int = 3) -> None:
        super().__init__(size, batch)
        self.references, self.digest = references, f"guided {references.digest}"

    def draw(self, face: FaceInput) -> DrawnFace:
        nearest = min(self.references.faces, key=lambda each: abs(each.yaw_pitch_deg[0] - face.yaw_pitch_deg[0]))
        colour = nearest.rgb[nearest.mask > 0.5].mean(axis=0).astype(np.float32) / 255
        rgb = np.broadcast_to(colour * (0.5 if face.track % 2 else 1.0), face.rgb.shape).astype(np.float32)
        x, y = np.round(face.landmarks_xyz[self.NOSE, :2]).astype(int)
        rgb[y - 1 : y + 2, x - 1 : x + 2] = 1
        return DrawnFace(rgb=rgb, mask=face.mask)
