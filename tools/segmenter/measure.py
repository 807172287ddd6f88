"""Measure the segmenter on actors and things that its training never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from countenance.geometry import transform_points
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.landmarks import FaceMesh
from countenance.vision.mask import face_mask
from countenance.vision.parts import FACE_PARTS, Part
from countenance.vision.segment import MIN_SURENESS, Segmenter, Segments, choose_mask
from tools.segmenter.dataset import (
    HELD_OUT_SEEDS,
    ROOM,
    SEED,
    Example,
    as_filmed,
    cropped,
    in_another_light,
    read_footage,
    with_in_front,
)
from tools.segmenter.occluders import HELD_OUT_OCCLUDERS

BANDS = ((0, 20), (20, 40), (40, 60), (60, 90))
CROP = 256
VARIANTS = PLAIN, PROPS, COVERED, FILMED, DEGRADED = (
    "as rendered",
    "with props",
    "occluded",
    "occluded and badly filmed",
    "degraded",
)
COLOURS = np.array(
    [
        *((0, 0, 0), (230, 180, 150), (120, 70, 30), (255, 255, 255), (60, 60, 60), (220, 60, 90), (120, 0, 40)),
        *((90, 60, 200), (250, 220, 60), (120, 160, 90), (60, 110, 140), (160, 100, 30), (0, 220, 60), (0, 200, 255)),
    ],
    np.uint8,
)
"""Of each `Part`, in the sheet."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """One held-out face, its ground truth and its segments."""

    variant: str
    occluder: str
    """What lies in front; empty if nothing."""
    yaw_deg: float
    truth: Example
    hull: Float32[np.ndarray, "S S"]
    segments: Segments

    @property
    def face(self) -> np.ndarray:
        return self.truth.face > 127

    @property
    def hidden(self) -> np.ndarray:
        """Where something hides the face."""
        return np.asarray((self.truth.labels == Part.OCCLUDER) & (self.hull > 0.5))

    @property
    def found_hidden(self) -> np.ndarray:
        return np.asarray(self.labels == Part.OCCLUDER)

    @property
    def labels(self) -> np.ndarray:
        """Found labels at the ground truth's size."""
        size = self.hull.shape
        return np.asarray(cv2.resize(self.segments.labels, size, interpolation=cv2.INTER_NEAREST))

    def overlap(self, *parts: Part) -> np.ndarray:
        """Numbers of pixels of these parts: correct, in the ground truth, found."""
        there, found = np.isin(self.truth.labels, parts), np.isin(self.labels, parts)
        return np.array([(there & found).sum(), there.sum(), found.sum()])

    def mask_iou(self) -> float:
        """Of the network's mask, whether or not it is confident enough to use it."""
        sure = replace(self.segments, sureness=1.0)
        return iou(choose_mask(sure, self.hull).mask > 0.5, self.face)

    def hull_iou(self) -> float:
        return iou(self.hull > 0.5, self.face)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def degraded(rgb: UInt8[np.ndarray, "S S 3"], rng: np.random.Generator) -> UInt8[np.ndarray, "S S 3"]:
    """Out of focus, tiny, dark, noisy or burnt out: from much to far beyond what a film would keep."""
    way, much, size = int(rng.integers(5)), rng.uniform(0.3, 1.1), len(rgb)
    if way == 0:
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), 1 + 13 * much), np.uint8)
    if way == 1:
        small = round(70 * (1.1 - much) + 8)
        tiny = cv2.resize(rgb, (small, small), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(tiny, (size, size)), np.uint8)
    stops, noise_level = ((-1 - 5 * much, 3), (0, 15 + 105 * much), (0.5 + 3.5 * much, 0))[way - 2]
    noisy = rgb * 2.0**stops + rng.normal(0, 1, rgb.shape) * noise_level
    return np.clip(noisy, 0, 255).astype(np.uint8)


def judged_faces(folder: Path, num_actors: int | None, weights: Path) -> Iterator[Judged]:
    """Every held-out frame: as rendered, with or without props, occluded, occluded and badly filmed, and degraded."""
    segmenter, mesh = Segmenter(weights), FaceMesh()
    for seed in HELD_OUT_SEEDS[:num_actors]:
        if not (folder / f"{seed}.npz").exists():
            raise SystemExit(f"{folder} lacks {seed}.npz; run `render` first, or give --actors")
        footage = read_footage(folder / f"{seed}.npz", clean=False)
        for index in range(len(footage.rgb)):
            rng = np.random.default_rng([SEED, 3, seed, index])
            draw = HELD_OUT_OCCLUDERS[int(rng.integers(len(HELD_OUT_OCCLUDERS)))]
            plain = Example(rgb=footage.rgb[index], labels=footage.labels[index], face=footage.face[index])
            covered = with_in_front(plain, draw(rng), rng, crop_side=len(plain.rgb) / ROOM)
            filmed = replace(covered, rgb=as_filmed(in_another_light(covered.rgb, rng), rng))
            yaw_deg = head_pose(footage.landmarks_xyz[index]).yaw_deg
            thing = draw.__name__.removeprefix("draw_")
            for variant, frame, occluder in (
                (PROPS if (plain.labels == Part.OCCLUDER).any() else PLAIN, plain, ""),
                (COVERED, covered, thing),
                (FILMED, filmed, thing),
                *((DEGRADED, replace(plain, rgb=degraded(plain.rgb, rng)), "") for _ in range(3)),
            ):
                # As in a scan, where the mesh follows from the frame before.
                landmarks = mesh.follow(frame.rgb, footage.landmarks_xyz[index]).landmarks_xyz
                transform = frame_to_crop(head_pose(landmarks), CROP)
                truth = cropped(frame, transform, CROP)
                hull = face_mask(transform_points(transform, landmarks[:, :2]), (CROP, CROP))
                (segments,) = segmenter([truth.rgb], [hull])
                yield Judged(
                    variant=variant, occluder=occluder, yaw_deg=yaw_deg, truth=truth, hull=hull, segments=segments
                )


def measure(folder: Path, sheet: Path | None, *, num_actors: int | None, weights: Path) -> None:
    """Print the card's tables, of the first `num_actors` if given."""
    torch.set_num_threads(1)
    faces = list(judged_faces(folder, num_actors, weights))
    of = {variant: [face for face in faces if face.variant == variant] for variant in VARIANTS}
    print("| frames | yaw | faces | mask | hull | all face parts together | skin |\n| --- " + "| --- " * 6 + "|")
    for variant, (low, high) in product((PLAIN, PROPS, COVERED, FILMED), ((0, 90), *BANDS)):
        some = [face for face in of[variant] if low <= abs(face.yaw_deg) < high]
        if not some:
            continue
        means = np.mean([[face.mask_iou(), face.hull_iou()] for face in some], axis=0).tolist()
        means += [pooled(some, *FACE_PARTS)[0], pooled(some, Part.SKIN)[0]]
        print(f"| {variant} | {low}–{high}° | {len(some)} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")
    print(
        "\n| part | "
        + " | ".join(f"{variant}: IoU, recall, precision" for variant in (PLAIN, PROPS, COVERED, FILMED))
        + " |"
    )
    print("| --- | --- | --- | --- | --- |")
    for part in Part:
        shares = (pooled(of[variant], part) for variant in (PLAIN, PROPS, COVERED, FILMED))
        print(
            f"| {part.name.lower()} | " + " | ".join("{:.3f}, {:.3f}, {:.3f}".format(*each) for each in shares) + " |"
        )
    print(
        "\n| in front | frames | faces | IoU | recall | recall in the hull | found by half |\n| --- "
        + "| --- " * 6
        + "|"
    )
    things = sorted({face.occluder for face in faces} - {""})
    for variant, thing in ((PROPS, ""), *product((COVERED, FILMED), ("", *things))):
        some = [face for face in of[variant] if thing in ("", face.occluder) and face.hidden.sum() > 100]
        if not some:
            continue
        overlap, recall, _ = pooled(some, Part.OCCLUDER)
        found = np.array([[(face.hidden & face.found_hidden).sum(), face.hidden.sum()] for face in some])
        by_half = np.mean(found[:, 0] > 0.5 * found[:, 1])
        numbers = f"{overlap:.3f} | {recall:.3f} | {found[:, 0].sum() / found[:, 1].sum():.3f} | {by_half:.3f}"
        print(f"| {thing or 'all'} | {variant} | {len(some)} | {numbers} |")
    print("\n| sureness | degraded faces | mask | hull | mask worse in |\n| --- | --- | --- | --- | --- |")
    for least, most in pairwise((0.0, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.01)):
        some = [face for face in of[DEGRADED] if least <= face.segments.sureness < most]
        if some:
            ious = np.array([[face.mask_iou(), face.hull_iou()] for face in some])
            means = ious.mean(axis=0).tolist()
            worse = np.mean(ious[:, 0] < ious[:, 1])
            print(f"| {least}–{most} | {len(some)} | {means[0]:.3f} | {means[1]:.3f} | {worse:.2f} |")
    for variant in (each for each in VARIANTS if of[each]):
        sureness = np.array([face.segments.sureness for face in of[variant]])
        print(f"{variant}: the hull taken for {np.mean(sureness < MIN_SURENESS):.1%}")
    wrongly = [(face.found_hidden & (face.hull > 0.5)).sum() / max((face.hull > 0.5).sum(), 1) for face in of[PLAIN]]
    if wrongly:
        print(f"of the hull taken for something in front where nothing is: {np.mean(wrongly):.2%}")
    if sheet:
        draw_sheet([face for face in faces if face.variant != DEGRADED], sheet)


def pooled(faces: Sequence[Judged], *parts: Part) -> tuple[float, float, float]:
    """IoU, recall and precision over the pixels of many faces."""
    right, there, found = np.sum([np.zeros(3), *(face.overlap(*parts) for face in faces)], axis=0)
    return right / max(there + found - right, 1), right / max(there, 1), right / max(found, 1)


def draw_sheet(faces: Sequence[Judged], path: Path) -> None:
    """Faces in threes of crop, exact parts, parts found, and the mask over the crop."""
    step = max(len(faces) // 36, 1)
    tiles = []
    for face in faces[::step][:36]:
        mask = choose_mask(face.segments, face.hull).mask[..., None]
        shown = face.truth.rgb * (0.25 + 0.75 * mask) + (1 - mask) * np.array([0, 60, 0])
        row = [
            face.truth.rgb,
            COLOURS[face.truth.labels],
            COLOURS[face.labels],
            shown.clip(0, 255).astype(np.uint8),
        ]
        tiles.append(np.hstack([cv2.resize(tile, (160, 160), interpolation=cv2.INTER_AREA) for tile in row]))
    rows = [np.hstack(tiles[start : start + 3]) for start in range(0, len(tiles) - 2, 3)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))
