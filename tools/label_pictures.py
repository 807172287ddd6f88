"""Draw docs/label.jpg: the visible label on four kinds of plate, all of them rendered actors.

    python -m tools.label_pictures docs/label.jpg

A light picture, a dark one, a busy one (part of the sheet of forty actors), and one whose face lies where the label
would; placed by what the product places it by: the faces that are found.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
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
SHEET = Path(__file__).parents[1] / "docs/actors.webp"
Rgb = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A plate to be rendered."""

    seed: int
    environment: Environment
    turn_deg: float
    brightness: float
    camera: Camera
    left: int = 0
    """From where on its picture is cut, and how wide, before it is enlarged again."""
    width: int = WIDTH
    is_mirrored: bool = False


NEAR, FAR = Camera(frame_m=0.8, distance_m=1.4), Camera(frame_m=0.9, distance_m=1.6, shift_m=(-0.31, -0.13))
LIGHT = Kind(seed=3, environment="studio", turn_deg=20, brightness=1.6, camera=NEAR, width=780, is_mirrored=True)
DARK = Kind(seed=8, environment="night", turn_deg=200, brightness=0.1, camera=NEAR)
FACE_THERE = Kind(seed=21, environment="city", turn_deg=140, brightness=0.8, camera=FAR, left=300, width=660)


def rendered(kind: Kind) -> Rgb:
    """A plate, 16 by 9."""
    figure = build_figure(draw_actor(kind.seed), "fine")
    posed = pose_figure(figure, draw_performance(kind.seed, FRAMES), FRAMES // 2)
    light = exposed(Light(environment=kind.environment, turn_deg=kind.turn_deg, strength=1.0), kind.brightness)
    square = Caster(figure).draw(posed, kind.camera, light, WIDTH).rgb
    return framed(square[(WIDTH - HEIGHT) // 2 :], kind)


def framed(rgb: Rgb, kind: Kind) -> Rgb:
    """What is cut out of a picture, at full size."""
    cut = rgb[: kind.width * HEIGHT // WIDTH, kind.left : kind.left + kind.width]
    enlarged = cv2.resize(cut, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(enlarged[:, ::-1] if kind.is_mirrored else enlarged)


def busy() -> Rgb:
    """Faces wherever one looks: there is no free corner."""
    return np.asarray(Image.open(SHEET).convert("RGB"))[:HEIGHT, :WIDTH]


def labelled(rgb: Rgb) -> Rgb:
    """With the label where the product puts it."""
    boxes = [box_of_face(found.points_xy[:2].ravel(), (WIDTH, HEIGHT)) for found in FaceDetector()(rgb)]
    return np.asarray(draw_label(rgb, choose_corner((WIDTH, HEIGHT), boxes)), np.uint8)


def sheet(light: Rgb, dark: Rgb, face_there: Rgb) -> Image.Image:
    """Two by two."""
    pictures = [labelled(each) for each in (light, dark, busy(), face_there)]
    return Image.fromarray(np.vstack([np.hstack(pictures[:2]), np.hstack(pictures[2:])]))


def main() -> None:
    """Render, label and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    sheet(rendered(LIGHT), rendered(DARK), rendered(FACE_THERE)).save(output, quality=88)


if __name__ == "__main__":
    main()
