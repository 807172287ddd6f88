"""Where the limits of `faces/config.py` come from: the measures' values on good and on degraded faces.

    .venv/bin/python tools/measure_thresholds.py --plot docs/prepare_limits.png

Twenty-four actors, twelve frames each in light and camera of their own, and the portrait that a release would carry.
Every frame is degraded step by step: defocus, motion blur, underexposure, overexposure. For each measure the
plot shows its values at each step, and beside them the recogniser's distance to the undegraded face. For identity it
shows the distance of tracks of five frames to their own portrait and to everybody else's.
"""

import argparse
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.footage import draw_portrait
from countenance.actors.performance import draw_performance
from countenance.actors.staging import draw_scene
from countenance.faces.config import PrepareConfig
from countenance.faces.look import TELLING_YAW_DEG
from countenance.geometry import transform_points, warp
from countenance.types import DetectedFace, FaceQuality
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask
from countenance.vision.quality import measure_quality

SIZE, FRAMES, TRACK_FRAMES = 256, 12, 5
ACTORS = range(700, 724)
CROP_SIZE = 256

Rgb = np.ndarray


def out_of_focus(rgb: Rgb, step: float) -> Rgb:
    return np.asarray(cv2.GaussianBlur(rgb, (0, 0), step), np.uint8) if step else rgb


def moved(rgb: Rgb, step: float) -> Rgb:
    length = max(1, round(step))
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), 30, 1)
    turned = cv2.warpAffine(kernel, turn, (length, length))
    return np.asarray(cv2.filter2D(rgb, -1, turned / turned.sum()), np.uint8)


def darkened(rgb: Rgb, step: float) -> Rgb:
    noise = np.random.default_rng(1).normal(0, 2, rgb.shape)
    return np.asarray(np.clip(np.round(rgb * 2.0**-step + noise), 0, 255), np.uint8)


def burnt_out(rgb: Rgb, step: float) -> Rgb:
    return np.asarray(np.clip(np.round(rgb * 2.0**step), 0, 255), np.uint8)


WAYS: Mapping[str, tuple[Callable[[Rgb, float], Rgb], Sequence[float], str, str, str]] = {
    "min_sharpness": (out_of_focus, (0, 1, 2, 3, 4, 5, 6), "sharpness", "defocus, sigma in px of a 256 px crop", "log"),
    "max_motion_blur": (moved, (1, 5, 9, 13, 19, 25, 33), "motion_blur", "way moved, px of a 256 px crop", "linear"),
    "min_brightness": (darkened, (0, 1, 2, 3, 4, 5), "brightness", "stops too dark", "log"),
    "max_clipped_fraction": (burnt_out, (0, 0.5, 1, 1.5, 2, 2.5), "clipped_fraction", "stops too bright", "linear"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, required=True)
    parser.add_argument("--frames", type=Path, help="file in which the rendered frames are kept")
    options = parser.parse_args()
    portraits, performances = rendered(options.frames)
    find_faces, recogniser = FaceFinder(), Recogniser()
    figure, axes = plt.subplots(2, 3, figsize=(15, 8.5), layout="constrained")
    identity(axes[0, 0], portraits, performances, find_faces, recogniser)
    config = PrepareConfig()
    for axis, (name, (spoil, steps, measure, label, scale)) in zip(axes.flat[1:5], WAYS.items(), strict=True):
        values, costs = degraded(performances, spoil, steps, measure, find_faces, recogniser)
        limit = getattr(config, name)
        draw_measure(axis, steps, values, costs, limit, f"{measure.replace('_', ' ')}: limit {limit:g}", label, scale)
    draw_yaw(axes[1, 2], portraits, performances, find_faces, recogniser, config.max_yaw_deg)
    figure.savefig(options.plot, dpi=80)


def rendered(path: Path | None) -> tuple[list[Rgb], list[list[Rgb]]]:
    """A portrait and the frames of a performance for each actor."""
    if path and path.exists():
        stored: tuple[list[Rgb], list[list[Rgb]]] = pickle.loads(path.read_bytes())  # noqa: S301 - written below
        return stored
    portraits, performances = [], []
    for seed in ACTORS:
        figure = build_figure(draw_actor(seed))
        caster = Caster(figure)
        portraits.append(draw_portrait(caster, SIZE))
        performance, scene = draw_performance(seed, 240), draw_scene(seed, 240, 4)
        frames = []
        for frame in np.linspace(0, 239, FRAMES).round().astype(int).tolist():
            shot = scene.shot_at(frame)
            frames.append(caster.draw(pose_figure(figure, performance, frame), shot.camera, shot.light, SIZE).rgb)
        performances.append(frames)
        print(".", end="", flush=True)
    if path:
        path.write_bytes(pickle.dumps((portraits, performances)))
    return portraits, performances


def identity(
    axis: Axes,
    portraits: list[Rgb],
    performances: list[list[Rgb]],
    find_faces: FaceFinder,
    recogniser: Recogniser,
) -> None:
    templates = embed(recogniser, [chip(rgb, find_faces(rgb)[0]) for rgb in portraits])
    tracks = []
    for frames in performances:
        found = [(rgb, faces[0]) for rgb in frames if (faces := find_faces(rgb))]
        found.sort(key=lambda each: abs(head_pose(each[1].landmarks_xyz).yaw_deg))
        tracks.append(embed(recogniser, [chip(rgb, face) for rgb, face in found[:TRACK_FRAMES]]).mean(axis=0))
    distances = np.linalg.norm(np.array(tracks)[:, None] - templates[None], axis=2)
    own = np.diag(distances)
    others = distances[~np.eye(len(distances), dtype=bool)]
    margins = np.array([np.delete(row, i).min() - row[i] for i, row in enumerate(distances)])
    config = PrepareConfig()
    bins = np.linspace(0, 1, 41).tolist()
    axis.hist(own, bins, color="#2a7f62", alpha=0.8, label=f"own portrait ({len(own)})", density=True)
    axis.hist(others, bins, color="#b0482f", alpha=0.6, label=f"another's ({len(others)})", density=True)
    axis.axvspan(
        config.max_distance, config.max_unsure_distance, color="#c9a227", alpha=0.3, label="waits for a review"
    )
    axis.axvline(config.max_sure_distance, color="#2a7f62", linewidth=2, label="beyond doubt up to here")
    axis.axvline(config.max_known_distance, color="#2a7f62", linewidth=2, linestyle=":", label="once more is known")
    axis.set(title=f"track to portrait: {config.max_distance} and {config.max_unsure_distance}", xlabel="distance")
    axis.legend()
    print(f"\nown: mean {own.mean():.3f}, most {own.max():.3f}, sorted {np.sort(own).round(2).tolist()}")
    print(f"others: mean {others.mean():.3f}, least {others.min():.3f}")
    print(f"margins: {np.sort(margins).round(3).tolist()}")
    for limit in (0.35, 0.4, 0.45, 0.5, 0.55, 0.6):
        print(f"{limit}: own within {np.mean(own <= limit):.1%}, others within {np.mean(others <= limit):.2%}")


def degraded(
    performances: list[list[Rgb]],
    spoil: Callable[[Rgb, float], Rgb],
    steps: Sequence[float],
    measure: str,
    find_faces: FaceFinder,
    recogniser: Recogniser,
) -> tuple[list[list[float]], list[float]]:
    """For each step the measure's values, and the mean distance to the undegraded face."""
    values: list[list[float]] = [[] for _ in steps]
    costs: list[list[float]] = [[] for _ in steps]
    for frames in performances:
        for rgb in frames[::3]:
            faces = find_faces(rgb)
            if not faces:
                continue
            pose = head_pose(faces[0].landmarks_xyz)
            crop = warp(rgb, frame_to_crop(pose, CROP_SIZE), (CROP_SIZE, CROP_SIZE))
            in_crop = transform_points(frame_to_crop(pose, CROP_SIZE), faces[0].landmarks_xyz[:, :2])
            hull = face_mask(in_crop, (CROP_SIZE, CROP_SIZE))
            made = [spoil(crop, step) for step in steps]
            embeddings = embed(recogniser, [cut_chip(each, in_crop) for each in made])
            for i, each in enumerate(made):
                quality: FaceQuality = measure_quality(
                    each, hull, pose, faces[0].landmarks_xyz, (SIZE, SIZE), occluded_fraction=0.0
                )
                values[i].append(float(getattr(quality, measure)))
                costs[i].append(float(np.linalg.norm(embeddings[i] - embeddings[0])))
    for step, value, cost in zip(steps, values, costs, strict=True):
        low, middle, high = np.percentile(value, [5, 50, 95])
        print(f"{measure} at {step}: {low:.3g} {middle:.3g} {high:.3g}, distance {np.mean(cost):.3f}")
    return values, [float(np.mean(cost)) for cost in costs]


def draw_measure(
    axis: Axes,
    steps: Sequence[float],
    values: list[list[float]],
    costs: list[float],
    limit: float,
    title: str,
    label: str,
    scale: str,
) -> None:
    positions = np.arange(len(steps))
    axis.boxplot(values, positions=positions, widths=0.5, showfliers=False)
    axis.set_yscale(scale)
    axis.axhline(limit, color="#c9a227", linewidth=2)
    axis.set_xticks(positions, [f"{step:g}" for step in steps])
    axis.set(title=title, xlabel=label)
    beside = axis.twinx()
    beside.plot(positions, costs, color="#b0482f", marker="o", markersize=4, linewidth=1)
    beside.set_ylim(0, 0.7)
    beside.set_ylabel("distance to the undegraded face", color="#b0482f")


def draw_yaw(
    axis: Axes,
    portraits: list[Rgb],
    performances: list[list[Rgb]],
    find_faces: FaceFinder,
    recogniser: Recogniser,
    limit: float,
) -> None:
    points = []
    for portrait, frames in zip(portraits, performances, strict=True):
        (own,) = embed(recogniser, [chip(portrait, find_faces(portrait)[0])])
        for rgb in frames:
            for face in find_faces(rgb)[:1]:
                (one,) = embed(recogniser, [chip(rgb, face)])
                points.append((abs(head_pose(face.landmarks_xyz).yaw_deg), float(np.linalg.norm(one - own))))
    yaws, distances = np.array(points).T
    axis.scatter(yaws, distances, s=8, color="#2a7f62")
    axis.axvline(TELLING_YAW_DEG, color="#c9a227", linewidth=2)
    axis.set(
        title=f"one frame to its portrait; kept up to {limit:g}°",
        xlabel="yaw, degrees",
        ylabel="distance",
        ylim=(0, 1),
    )


def chip(rgb: Rgb, face: DetectedFace) -> Rgb:
    return cut_chip(rgb, face.landmarks_xyz[:, :2])


if __name__ == "__main__":
    main()
