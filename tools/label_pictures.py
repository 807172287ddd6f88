"""Draw docs/label.jpg: the visible label on four kinds of plate, all of them rendered actors.

    python -m tools.label_pictures docs/label.jpg

A light picture, a dark one, a busy one, and one whose face lies where the label would; placed by what the product
places it by: the faces that are found.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.performance import draw_performance
from countenance.actors.scene import Camera, Environment, Light
from countenance.actors.staging import exposed
from countenance.provenance.label import choose_corner, draw_label
from countenance.steps.labelled import box_of_face
from countenance.vision.detect import FaceDetector

WIDTH, HEIGHT = 960, 540
FRAMES = 48


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A plate to be drawn."""

    seed: int
    environment: Environment
    turn_deg: float
    brightness: float
    camera: Camera


KINDS = (
    Kind(seed=3, environment="studio", turn_deg=20, brightness=1.6, camera=Camera(frame_m=0.8, distance_m=1.4)),
    Kind(seed=8, environment="night", turn_deg=200, brightness=0.1, camera=Camera(frame_m=0.8, distance_m=1.4)),
    Kind(seed=17, environment="forest", turn_deg=90, brightness=0.7, camera=Camera(frame_m=0.9, distance_m=1.6)),
    Kind(
        seed=21,
        environment="city",
        turn_deg=140,
        brightness=0.8,
        camera=Camera(frame_m=0.9, distance_m=1.6, shift_m=(-0.31, -0.13)),
    ),
)


def drawn(kind: Kind) -> UInt8[np.ndarray, "H W 3"]:
    """The plate with its label."""
    figure = build_figure(draw_actor(kind.seed), "fine")
    posed = pose_figure(figure, draw_performance(kind.seed, FRAMES), FRAMES // 2)
    light = exposed(Light(environment=kind.environment, turn_deg=kind.turn_deg, strength=1.0), kind.brightness)
    square = Caster(figure).draw(posed, kind.camera, light, WIDTH).rgb
    top = (WIDTH - HEIGHT) // 2
    rgb = np.ascontiguousarray(square[top : top + HEIGHT])
    boxes = [box_of_face(found.points_xy[:2].ravel(), (WIDTH, HEIGHT)) for found in FaceDetector()(rgb)]
    return np.asarray(draw_label(rgb, choose_corner((WIDTH, HEIGHT), boxes)), np.uint8)


def main() -> None:
    """Two by two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    pictures = [drawn(kind) for kind in KINDS]
    sheet = np.vstack([np.hstack(pictures[:2]), np.hstack(pictures[2:])])
    Image.fromarray(sheet).save(parser.parse_args().output, quality=88)


if __name__ == "__main__":
    main()
