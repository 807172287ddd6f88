"""How well mesh nets find the 468 points: on held-out synthetic actors, and on the tests' portrait.

.venv/bin/python -m tools.mesh.train render --folder held-out --part held_out
.venv/bin/python -m tools.mesh.measure --folder held-out --attention attention.tflite \\
        --trained trained/trained.pt --share 0.5 1
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from countenance.geometry import transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import DetectedFace
from countenance.vision.align import head_pose, misfit
from countenance.vision.gaze import EYE_CORNERS, EyeFinder
from countenance.vision.landmarks import EYES, MAX_MISFIT, FaceMesh
from countenance.vision.networks import TfliteNet, weights_folder
from countenance.vision.track import MIN_FOLLOWED_SCORE
from tests.faces.test_portrait import MARKED_XY, OUTLINE_XY, PORTRAIT
from tools.mesh.attention import REGIONS as LIPS_AND_EYES
from tools.mesh.attention import AttentionMesh, FileNet
from tools.mesh.footage import PARTS, read
from tools.mesh.train import write
from tools.mirror import mirrored_numbers
from tools.segmenter.dataset import Example, Footage, as_filmed, in_another_light, with_in_front
from tools.segmenter.occluders import draw_fist, draw_hand

SEED = 7
ROUNDS = 3
BANDS = ((0, 20), (20, 40), (40, 60), (60, 90))
VARIANTS = PLAIN, HANDS, FILMED = "as rendered", "a hand in front", "badly filmed"

LIPS, LEFT_EYE, RIGHT_EYE = LIPS_AND_EYES
# fmt: off
OUTLINE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
NOSE = (1, 2, 4, 5, 6, 19, 44, 45, 48, 51, 64, 94, 97, 98, 102, 115, 122, 125, 129, 131, 134, 141, 168, 195, 197, 198,
        203, 209, 217, 219, 220, 235, 237, 238, 239, 240, 241, 242, 248, 274, 275, 278, 281, 294, 326, 327, 331, 344,
        351, 354, 358, 360, 363, 370, 420, 423, 429, 437, 438, 439, 440, 441, 456, 457, 458, 459, 460, 461, 462)
# fmt: on
JAW = OUTLINE[8:29]
REGIONS: Mapping[str, tuple[int, ...]] = {
    "whole": tuple(range(468)),
    "lips": LIPS.numbers,
    "lids": LEFT_EYE.numbers[:16] + RIGHT_EYE.numbers[:16],
    "nose": NOSE,
    "outline": OUTLINE,
}
Points = Float32[np.ndarray, "468 3"]
Net = Callable[[Float32[np.ndarray, "1 H W 3"]], list[Float32[np.ndarray, "..."]]]


def finder(net: Net) -> FaceMesh:
    """The product's mesh finder with another net."""
    mesh = FaceMesh()
    mesh._net = net  # type: ignore[assignment]
    return mesh


def in_both_mirrors(net: Net) -> Net:
    """A net's mean over a crop and its mirror image."""
    partner = mirrored_numbers()

    def both(x_bhwc: Float32[np.ndarray, "1 H W 3"]) -> list[Float32[np.ndarray, "..."]]:
        points, logit = (each.copy() for each in net(x_bhwc))
        flipped, flipped_logit = net(np.ascontiguousarray(x_bhwc[:, :, ::-1]))
        back = flipped.reshape(468, 3)[partner] * np.array([-1, 1, 1], np.float32)
        back[:, 0] += x_bhwc.shape[2] - 1
        return [(points.reshape(468, 3) + back) / 2, (logit + flipped_logit) / 2]

    return both


def settled(mesh: FaceMesh, rgb: UInt8[np.ndarray, "H W 3"], start: Points) -> DetectedFace:
    """Fitted until it hardly depends on where it started, as when a face is followed."""
    face = mesh.follow(rgb, start)
    for _ in range(ROUNDS - 1):
        face = mesh.follow(rgb, face.landmarks_xyz)
    return face


def filmed(footage: Footage, index: int, variant: str, seed: int) -> UInt8[np.ndarray, "S S 3"]:
    """A frame in a variant; the two of a pair are degraded alike."""
    rng = np.random.default_rng([SEED, seed, index // 2])
    rgb = footage.rgb[index]
    if variant == HANDS:
        draw = (draw_fist, draw_hand)[int(rng.integers(2))]
        plain = Example(rgb=rgb, labels=footage.labels[index], face=footage.face[index])
        return with_in_front(plain, draw(rng), rng, crop_side=len(rgb) / 1.3).rgb
    return as_filmed(in_another_light(rgb, rng), rng) if variant == FILMED else rgb


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Judged:
    """One frame, and how far its points are off, in % of the distance between the outer corners of the eyes."""

    seed: int
    variant: str
    yaw_deg: float
    error_pct: Float[np.ndarray, " 468"]
    bias_pct: Float[np.ndarray, "468 2"]
    misfit: float
    is_kept: bool
    """Whether the net is confident enough, and the mesh enough like a head."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class View:
    """A held-out frame in a variant."""

    seed: int
    variant: str
    rgb: UInt8[np.ndarray, "S S 3"]
    truth_xyz: Points


def read_views(folder: Path, seeds: Sequence[int]) -> list[View]:
    """Every held-out frame of some actors in every variant."""
    return [
        View(seed=seed, variant=variant, rgb=filmed(footage, index, variant, seed), truth_xyz=truth)
        for seed, footage in read(folder, "held_out").items()
        if seed in seeds
        for variant in VARIANTS
        for index, truth in enumerate(footage.landmarks_xyz)
    ]


def judge(mesh: FaceMesh, views: Sequence[View]) -> list[Judged]:
    """How well a mesh finder does."""
    judged = []
    for view in views:
        truth = view.truth_xyz
        wide = float(np.linalg.norm(truth[EYES[0]] - truth[EYES[1]]))
        face = settled(mesh, view.rgb, truth)
        found = face.landmarks_xyz
        off = (found - truth)[:, :2] / wide * 100
        judged.append(
            Judged(
                seed=view.seed,
                variant=view.variant,
                yaw_deg=head_pose(truth).yaw_deg,
                error_pct=np.linalg.norm(off, axis=1),
                bias_pct=off,
                misfit=misfit(found),
                is_kept=face.score >= MIN_FOLLOWED_SCORE and misfit(found) <= MAX_MISFIT,
            )
        )
    return judged


def table(judged: list[Judged]) -> dict[str, float]:
    """The rows of the table: mean errors."""

    def mean(faces: list[Judged], region: str = "whole") -> float:
        numbers = list(REGIONS[region])
        return float(np.mean([face.error_pct[numbers].mean() for face in faces])) if faces else float("nan")

    rows = {}
    for variant in VARIANTS:
        some = [face for face in judged if face.variant == variant]
        for region in REGIONS if variant == PLAIN else ("whole",):
            rows[f"{variant}, {region}"] = mean(some, region)
        for low, high in BANDS:
            of_band = [face for face in some if low <= abs(face.yaw_deg) < high]
            rows[f"{variant}, yaw {low}–{high}°"] = mean(of_band)
        apart = [
            np.linalg.norm(two.bias_pct - one.bias_pct, axis=1).mean()
            for one, two in zip(some[::2], some[1::2], strict=True)
        ]
        rows[f"{variant}, from a frame to the next"] = float(np.mean(apart))
        rows[f"{variant}, lost, % of faces"] = float(np.mean([not face.is_kept for face in some]) * 100)
        rows[f"{variant}, of those that are kept"] = mean([face for face in some if face.is_kept])
        rows[f"{variant}, median"] = float(np.median([face.error_pct.mean() for face in some]))
    plain = [face for face in judged if face.variant == PLAIN]
    rows[f"{PLAIN}, of those with props"] = mean([face for face in plain if PARTS["held_out"].has_props(face.seed)])
    facing = [face for face in plain if abs(face.yaw_deg) < BANDS[0][1]]
    rows[f"{PLAIN}, yaw {BANDS[0][0]}–{BANDS[0][1]}°, less the other actors' mean offset"] = less_bias(facing)
    rows["mean bias"] = float(np.linalg.norm(np.mean([face.bias_pct for face in plain], axis=0), axis=1).mean())
    rows["misfit × 100, 95th percentile"] = float(np.percentile([face.misfit for face in plain], 95) * 100)
    return rows


def less_bias(faces: list[Judged]) -> float:
    """Mean error where each point's mean offset on the other half of the actors is taken off.

    What is left when the places of the skin that stand for the points are fitted to this net.
    """
    errors = []
    for half in (0, 1):
        own, others = ([face for face in faces if face.seed % 2 == which] for which in (half, 1 - half))
        offset = np.mean([face.bias_pct for face in others], axis=0)
        errors += [np.linalg.norm(face.bias_pct - offset, axis=1).mean() for face in own]
    return float(np.mean(errors))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Way:
    """The portrait, moved."""

    turn: Float32[np.ndarray, "2 3"]
    """From the portrait to where it was moved."""
    scale: float
    clean: UInt8[np.ndarray, "S S 3"]
    filmed: UInt8[np.ndarray, "S S 3"]
    """The same in another light and badly filmed."""


def move_portrait(rgb: UInt8[np.ndarray, "S S 3"], number: int) -> list[Way]:
    """The portrait turned, scaled and shifted at random, always in the same ways."""
    ways = []
    for way in range(number):
        rng = np.random.default_rng([SEED, way])
        size = len(rgb)
        turn = cv2.getRotationMatrix2D((226, 130), float(rng.normal(0, 6)), float(np.exp(rng.normal(0, 0.25))))
        turn = np.column_stack([turn[:, :2], turn[:, 2] + rng.normal(0, 3, 2)]).astype(np.float32)
        clean = np.asarray(cv2.warpAffine(rgb, turn, (size, size), borderMode=cv2.BORDER_REPLICATE), np.uint8)
        scale = float(np.sqrt(abs(np.linalg.det(turn[:, :2]))))
        filmed = as_filmed(in_another_light(clean, rng), rng)
        ways.append(Way(turn=turn, scale=scale, clean=clean, filmed=filmed))
    return ways


Ways = Float[np.ndarray, " W"]


def on_portrait(
    mesh: FaceMesh, rgb: UInt8[np.ndarray, "S S 3"], ways: Sequence[Way]
) -> tuple[dict[str, float], dict[str, Ways]]:
    """Rows of the table, and errors in each way; the one real face.

    Only hand-made marks and agreement with itself can be measured there.
    """
    marked, outline = MARKED_XY, np.array(OUTLINE_XY, np.float32)
    marked_xy = np.array(list(marked.values()), np.float32)
    wide = float(np.linalg.norm(marked_xy[0] - marked_xy[3]))
    start = FaceMesh().settle(rgb, np.concatenate([marked_xy[[0, 3]], marked_xy[[4, 5]], marked_xy[:4]])).landmarks_xyz
    found = settled(mesh, rgb, start).landmarks_xyz
    eyes = EyeFinder()(rgb, start, head_pose(start).roll_deg)
    middles = np.stack([found[list(corners), :2].mean(axis=0) for corners in EYE_CORNERS])
    rows = {
        "portrait, marks by hand": float(_off(found[list(marked)], marked_xy, wide).mean()),
        "portrait, worst mark": float(_off(found[list(marked)], marked_xy, wide).max()),
        "portrait, jaw to the outline": _jaw_off(found, outline, wide),
        "portrait, misfit × 100": misfit(found) * 100,
        "portrait, eyes against the iris net": float(
            _off(middles, np.stack([eye.middle_xy for eye in eyes]), wide).mean()
        ),
        "portrait, against its mirror image": _mirror_off(mesh, rgb, start, found, wide),
    }
    errors: dict[str, list[float]] = {}
    for way in ways:
        moved = np.column_stack([transform_points(way.turn, start[:, :2]), start[:, 2]]).astype(np.float32)
        wide_there, marks_there = wide * way.scale, transform_points(way.turn, marked_xy)
        for kind, picture in (("moved", way.clean), ("moved and badly filmed", way.filmed)):
            there = settled(mesh, picture, moved).landmarks_xyz
            from_marks = _off(there[list(marked)], marks_there, wide_there)
            for name, error in {
                "marks by hand": float(from_marks.mean()),
                "worst mark": float(from_marks.max()),
                "jaw to the outline": _jaw_off(there, transform_points(way.turn, outline), wide_there),
                "against its mirror image": _mirror_off(mesh, picture, moved, there, wide_there),
                "from itself": float(_off(there, transform_points(way.turn, found[:, :2]), wide_there).mean()),
            }.items():
                errors.setdefault(f"portrait, {kind}, {name}", []).append(error)
    return rows, {name: np.array(each) for name, each in errors.items()}


def _jaw_off(found: Points, outline_xy: Float32[np.ndarray, "N 2"], wide: float) -> float:
    """Mean distance of the jaw's points from an outline."""
    apart = [abs(cv2.pointPolygonTest(outline_xy, (float(x), float(y)), True)) for x, y in found[list(JAW), :2]]
    return float(np.mean(apart) / wide * 100)


def _mirror_off(mesh: FaceMesh, rgb: UInt8[np.ndarray, "H W 3"], start: Points, found: Points, wide: float) -> float:
    """Mean distance between what is found in a picture and in its mirror image."""
    partner, width = mirrored_numbers(), rgb.shape[1]
    flip, shift = np.array([-1, 1, 1], np.float32), np.array([width - 1, 0, 0], np.float32)
    back = settled(mesh, np.ascontiguousarray(rgb[:, ::-1]), start[partner] * flip + shift).landmarks_xyz
    return float(_off(back[partner] * flip + shift, found, wide).mean())


def against(product: Ways, other: Ways) -> str:
    """Mean and median of a net's errors, and the mean difference from the product's with its 95% interval."""
    apart = other - product
    interval = 1.96 * apart.std(ddof=1) / np.sqrt(len(apart))
    return f"{other.mean():.2f}, {np.median(other):.2f}; {apart.mean():+.2f} ± {interval:.2f}"


def _off(one: np.ndarray, other: np.ndarray, wide: float) -> np.ndarray:
    return np.asarray(np.linalg.norm(one[:, :2] - other[:, :2], axis=1) / wide * 100)


def measure(
    models: Mapping[str, Path],
    folder: Path,
    seeds: Sequence[int],
    trained: Path | None,
    candidates: Sequence[tuple[str, float]],
    *,
    both_mirrors: bool,
    num_ways: int,
) -> None:
    """Print the tables: the product's mesh, the attention mesh as it came, and candidates, each a run and its share."""

    def opened(path: Path, kind: str) -> Net:
        return FileNet(path) if kind == "plain" else AttentionMesh(path, folder)

    nets: dict[str, Net] = {
        "product": TfliteNet("face_landmark"),
        "attention": AttentionMesh(models["attention"], folder),
    }
    if trained is not None:
        for name, share in candidates:
            path = folder / f"{name.replace(':', '-')}-{share:.2f}.tflite"
            write(models, trained, name, share, path)
            nets[f"{name}, {share:g}"] = opened(path, name.partition(":")[0])
    if both_mirrors:
        nets = {name: in_both_mirrors(net) for name, net in nets.items()}
    (portrait,) = read_frames(probe(PORTRAIT))
    views, ways = read_views(folder, seeds), move_portrait(portrait.rgb, num_ways)
    columns, moved = {}, {}
    for name, net in nets.items():
        mesh = finder(net)
        rows, moved[name] = on_portrait(mesh, portrait.rgb, ways)
        columns[name] = {**rows, **table(judge(mesh, views))}
        print(name, file=sys.stderr, flush=True)
    print("| % of the eyes' outer distance | " + " | ".join(columns) + " |\n| --- " + "| --- " * len(columns) + "|")
    for row in columns["product"]:
        print(f"| {row} | " + " | ".join(f"{column[row]:.2f}" for column in columns.values()) + " |")
    print(f"\n| {num_ways} ways: mean, median; difference from the product | " + " | ".join(moved) + " |")
    print("| --- " * (len(moved) + 1) + "|")
    for row, product_errors in moved["product"].items():
        print(f"| {row} | " + " | ".join(against(product_errors, errors[row]) for errors in moved.values()) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where held-out footage was rendered")
    parser.add_argument("--attention", type=Path, required=True, help="face_landmark_with_attention.tflite")
    parser.add_argument("--plain", type=Path, default=weights_folder() / "face_landmark.tflite")
    parser.add_argument("--seeds", type=int, nargs="+", default=PARTS["held_out"].seeds)
    parser.add_argument("--trained", type=Path, help="trained.pt")
    parser.add_argument("--runs", nargs="+", help="of those that were trained; otherwise all")
    parser.add_argument("--share", type=float, nargs="+", default=(0.5, 1.0), help="of the trained weights")
    parser.add_argument("--both-mirrors", action="store_true", help="each net's mean over a crop and its mirror image")
    parser.add_argument("--ways", type=int, default=160, help="in which the portrait is moved and badly filmed")
    options = parser.parse_args()
    names = options.runs or ([] if options.trained is None else list(torch.load(options.trained)))
    measure(
        {"attention": options.attention, "plain": options.plain},
        options.folder,
        options.seeds,
        options.trained,
        list(product(names, options.share)),
        both_mirrors=options.both_mirrors,
        num_ways=options.ways,
    )


if __name__ == "__main__":
    main()
