"""The slow renderer. What needs Blender runs where it is set up."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.actors.actor import draw_actor
from countenance.actors.cycles import BlenderWorker, blender_python, install_blender
from countenance.actors.figure import Figure, Posed, build_figure, pose_figure
from countenance.actors.mesh import Mesh
from countenance.actors.performance import still
from countenance.actors.scene import Camera, Lamp, Light
from countenance.errors import ActorError
from countenance.progress import Silent

CAMERA = Camera(frame_m=0.3)
LIGHT = Light(
    environment="forest",
    turn_deg=120,
    strength=1.0,
    lamps=(Lamp(azimuth_deg=40.0, elevation_deg=30.0, power_w=8.0, size_m=0.5, rgb=(1.0, 0.95, 0.9)),),
)


@pytest.fixture(scope="module")
def python() -> Path:
    """Found before any test has a cache folder of its own."""
    try:
        return blender_python()
    except ActorError:
        pytest.skip("Blender is not set up")


@pytest.fixture(scope="module")
def figure() -> Figure:
    return build_figure(draw_actor(3), "fast")


@pytest.fixture
def worker(python: Path, figure: Figure) -> Iterator[BlenderWorker]:
    with BlenderWorker(python=python) as worker:
        worker.load(figure)
        yield worker


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def speaking(folder: Path, *lines: str) -> Path:
    """An interpreter that takes no script but runs these lines of a shell."""
    path = folder / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines]))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_blender_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path))
    with pytest.raises(ActorError, match=r"countenance actors setup.*caster"):
        BlenderWorker()


def test_a_failed_setup_leaves_nothing_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTENANCE_CACHE", str(tmp_path / "cache"))
    failing = speaking(tmp_path, "echo no space left >&2", "exit 1")
    monkeypatch.setattr("countenance.actors.cycles._python_for_blender", lambda: str(failing))
    with pytest.raises(ActorError, match="no space left"):
        install_blender(Silent())
    with pytest.raises(ActorError, match="not set up"):
        blender_python()


def test_a_worker_that_dies_is_reported_with_its_last_words(tmp_path: Path) -> None:
    dying = speaking(tmp_path, "echo 'Fra:1 sampling' >&2", "echo out of memory >&2", "exit 9")
    with pytest.raises(ActorError, match=r"status 9.*: out of memory$"), BlenderWorker(python=dying):
        pass


def test_an_error_in_a_frame_is_reported(tmp_path: Path, figure: Figure) -> None:
    ready, error = json.dumps({"ready": "4.5"}), json.dumps({"error": "no such figure"})
    failing = speaking(tmp_path, f"echo '{ready}'", "read command", f"echo '{error}'", "read command")
    with BlenderWorker(python=failing) as worker, pytest.raises(ActorError, match="no such figure"):
        worker.load(figure)


def test_a_frame_depends_on_nothing_but_its_own(
    worker: BlenderWorker, python: Path, figure: Figure, tmp_path: Path
) -> None:
    smile = pose_figure(figure, still(yaw_deg=-15, units={"mouthSmileLeft": 0.8, "jawOpen": 0.3}), 0)
    turned = pose_figure(figure, still(yaw_deg=30), 0)
    worker.draw(
        turned, Camera(), Light(environment="city", turn_deg=0, strength=1), tmp_path / "a.png", size=48, samples=1
    )
    worker.draw(smile, CAMERA, LIGHT, tmp_path / "after.png", size=64, samples=2)
    with BlenderWorker(python=python) as other:
        other.load(figure)
        other.draw(smile, CAMERA, LIGHT, tmp_path / "alone.png", size=64, samples=2)
        other.draw(smile, CAMERA, LIGHT, tmp_path / "seeded.png", size=64, samples=2, seed=8)
    # On a busy machine the denoiser's sums differ in the last bit now and then, which is one level of a few pixels.
    change = np.abs(pixels(tmp_path / "after.png").astype(int) - pixels(tmp_path / "alone.png"))
    assert change.max() <= 1
    assert (change > 0).mean() < 0.01
    assert (pixels(tmp_path / "seeded.png") != pixels(tmp_path / "alone.png")).any()
    assert not list(tmp_path.glob("*.part"))


def test_the_camera_is_the_pinhole_that_the_labels_use(worker: BlenderWorker, figure: Figure, tmp_path: Path) -> None:
    camera = Camera(azimuth_deg=20, elevation_deg=-10, distance_m=0.8, frame_m=0.3, shift_m=(0.01, -0.02))
    posed = pose_figure(figure, still(), 0)
    offsets = [[0.0, 0.0, 0.0], [0.07, 0.05, -0.05], [-0.08, -0.06, 0.08], [0.06, -0.07, 0.05], [-0.07, 0.06, 0.0]]
    centres = camera.look_at + np.array(offsets)
    pictures = [ball_in_front_of_nothing(posed, None)] + [ball_in_front_of_nothing(posed, centre) for centre in centres]
    shirt = ball(np.zeros(3), 0.02)
    worker.load(replace(figure, cloth=shirt, body=replace(figure.body, cloth_rgb=(1.0, 1.0, 1.0))))
    lamps = [
        Lamp(azimuth_deg=azimuth, elevation_deg=elevation, power_w=20, size_m=0.8, rgb=(1.0, 1.0, 1.0))
        for azimuth, elevation in ((90, 0), (-50, 0), (20, 85), (20, -85))
    ]
    light = Light(environment="studio", turn_deg=0, strength=0, lamps=tuple(lamps))
    for number, picture in enumerate(pictures):
        worker.draw(picture, camera, light, tmp_path / f"{number}.png", size=192, samples=8)
    empty = pixels(tmp_path / "0.png").astype(float)
    errors = []
    for number, centre in enumerate(centres):
        change = np.abs(pixels(tmp_path / f"{number + 1}.png") - empty).max(axis=2)
        rows, columns = np.nonzero(change > 30)
        errors.append(np.array([columns.mean(), rows.mean()]) - middle_of_ball(camera, centre, 192))
    # The darker side of a ball lacks a part of a pixel.
    assert np.abs(errors).max() < 0.25
    assert np.abs(np.mean(errors, axis=0)).max() < 0.1


def middle_of_ball(camera: Camera, centre: np.ndarray, size: int) -> np.ndarray:
    """Mean of the pixels that a ball of 2 cm covers, which is not where its centre is seen."""
    x, y = np.meshgrid(*[np.arange(0, size, 0.25) + 0.125 - 0.5] * 2)
    rays = np.stack([x - (size - 1) / 2, y - (size - 1) / 2, np.full_like(x, camera.focal * size)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    seen = camera.rotation @ (centre - camera.position)
    covered = np.linalg.norm(np.cross(rays, seen), axis=-1) < 0.02
    return np.array([x[covered].mean(), y[covered].mean()])


def ball(centre: np.ndarray, radius: float) -> Mesh:
    up, around = np.meshgrid(np.linspace(0.001, np.pi - 0.001, 33), np.linspace(0, 2 * np.pi, 49)[:-1], indexing="ij")
    points = np.stack([np.sin(up) * np.cos(around), np.cos(up), -np.sin(up) * np.sin(around)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(32), np.arange(48), indexing="ij")
    after = (j + 1) % 48
    faces = np.stack([i * 48 + j, (i + 1) * 48 + j, (i + 1) * 48 + after, i * 48 + after], axis=-1).reshape(-1, 4)
    return Mesh(points=centre + radius * points, faces=faces)


def ball_in_front_of_nothing(posed: Posed, centre: np.ndarray | None) -> Posed:
    """All but the shirt is far behind the camera; it has become a ball."""
    far = np.array([0.0, 0.0, 90.0])
    moved = {
        name: getattr(posed, name) + far
        for name in (
            "skin",
            "eye_left",
            "eye_right",
            "wet",
            "teeth",
            "gum",
            "tongue",
            "glasses",
            "brows",
            "lashes",
            "beard",
        )
    }
    away = posed.head_matrix.copy()
    away[:3, 3] += far
    middle = far if centre is None else centre
    return replace(posed, **moved, head_matrix=away, cloth=ball(middle, 0.02).points)
