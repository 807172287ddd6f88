"""Where a performance is seen: light, camera and background of each shot."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float

Environment = Literal["studio", "interior", "courtyard", "forest", "city", "sunrise", "sunset", "night"]
ENVIRONMENTS: tuple[Environment, ...] = (
    "studio",
    "interior",
    "courtyard",
    "forest",
    "city",
    "sunrise",
    "sunset",
    "night",
)
FACE_CENTRE = (0.0, 0.72, 0.09)
"""Where cameras look, in metres."""
LAMP_DISTANCE_M = 1.3
FRAME_M = 0.335
"""Height of the picture at the head, when the camera is neither near nor far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lamp:
    """An area light, 1.3 m from the head, turned to it."""

    azimuth_deg: float
    """> 0 from the right of the picture."""
    elevation_deg: float
    power_w: float
    size_m: float
    rgb: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """An environment, and lamps in it."""

    environment: Environment
    turn_deg: float
    strength: float
    lamps: tuple[Lamp, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """A pinhole that looks at the head; the picture is square, up is up."""

    azimuth_deg: float = 0.0
    elevation_deg: float = 0.0
    distance_m: float = 0.95
    frame_m: float = FRAME_M
    """Side of the picture at the face's distance."""
    shift_m: tuple[float, float] = (0.0, 0.0)
    """How far the middle of the picture lies right of and above the face's."""

    @property
    def focal(self) -> float:
        """In sides of the picture."""
        return self.distance_m / self.frame_m

    @property
    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """World to camera: x right, y down, z along the view."""
        return _rotation(self.azimuth_deg, self.elevation_deg)

    @property
    def look_at(self) -> Float[np.ndarray, " 3"]:
        """The point in the picture's middle."""
        right, down, _ = self.rotation
        return np.asarray(np.array(FACE_CENTRE) + self.shift_m[0] * right - self.shift_m[1] * down)

    @property
    def position(self) -> Float[np.ndarray, " 3"]:
        """Where the pinhole is."""
        return np.asarray(self.look_at - self.distance_m * self.rotation[2])

    def project(
        self, points: Float[np.ndarray, "*B 3"], size: int
    ) -> tuple[Float[np.ndarray, "*B 2"], Float[np.ndarray, "*B"]]:
        """Pixels of a picture of `size` × `size`, and depth in metres."""
        seen = (points - self.position) @ self.rotation.T
        depth = seen[..., 2]
        return (size - 1) / 2 + self.focal * size * seen[..., :2] / depth[..., None], depth


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """A stretch of a clip with one light and one camera."""

    num_frames: int
    light: Light
    camera: Camera


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The shots of a clip."""

    seed: int
    shots: tuple[Shot, ...]

    @property
    def num_frames(self) -> int:
        return sum(shot.num_frames for shot in self.shots)

    def shot_at(self, frame: int) -> Shot:
        """The shot that a frame belongs to."""
        for shot in self.shots:
            if frame < shot.num_frames:
                return shot
            frame -= shot.num_frames
        raise IndexError(frame)


@lru_cache(maxsize=64)
def _rotation(azimuth_deg: float, elevation_deg: float) -> Float[np.ndarray, "3 3"]:
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    back = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.cross([0, 1, 0], back)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, -np.cross(back, right), -back])
    rotation.flags.writeable = False
    return rotation
