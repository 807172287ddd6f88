"""How real the actors' skin is, measured against photographed skin seen under the same conditions.

    .venv/bin/python -m tools.measure_realism render --photographs folder/of/skins --output after.npz
    .venv/bin/python -m tools.measure_realism compare before.npz after.npz
    .venv/bin/python -m tools.measure_realism nets

`render` draws actors twice each, once in their own skin and once with a photographed texture as albedo, on the same
head, under the same light and through the same camera, and cuts patches of cheeks, forehead and chin from both. So what
is compared is skin as rendered, and the two differ in albedo alone; relief and gloss are the actor's in both. The
photographs are the CC0 skin textures of MakeHuman, head regions as the card in `docs/actors.md` says.

`compare` states, for each file of patches, the spectrum by octaves, the colours, the heavy tails of the finest detail,
and how well a small net distinguishes actors' skin from photographed skin, in patches without mean, slope and contrast:
0.5 is guessing. Folds hold out photographs together with the actors who were drawn beside them; photographs that share
their pores are held out together.

What it can't show: that skin looks filmed. The photographs are textures, not footage; and where actors are made from
these same photographs, an accuracy of 0.5 says that mixing and warping left them intact, and no more. The portrait in
the public domain, which no actor is made from, stands beside them for that reason.

`nets` states what the face finder, the mesh finder and the segmenter make of that portrait.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.performance import still
from countenance.actors.scene import Camera
from countenance.actors.staging import draw_scene
from countenance.faces.look import describe_face
from countenance.geometry import invert
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE
from countenance.vision.gaze import EyeFinder
from countenance.vision.landmarks import FaceFinder
from countenance.vision.parts import Part
from countenance.vision.segment import Segmenter
from tests.faces.test_portrait import MARKED_XY, OUTLINE_XY

Array = NDArray[np.float64]
PORTRAIT = Path(__file__).parents[1] / "tests/data/portrait.jpg"
SIZE, FRAME_M, PATCH = 352, 0.22, 40
"""Pixels a frame and metres it shows: 1.6 pixels a millimetre, so that a patch shows 25 mm of skin."""
YAWS_DEG = (-12.0, 9.0)
FIRST_ACTOR = 600
PLACES = {"cheek": (50, 205, 280, 425), "forehead": (151, 108, 337), "chin": (175,)}
"""Of the face mesh."""
PHOTOGRAPH_TOP_LEFT, WHOLE = (352, 1280), 2048
ISLAND_SCALE, ISLAND_FROM, ISLAND_TO = 1.42, (0.63, 0.14), (0.475, 0.01)
"""How the head was moved within its map (`tools/make_head.py`)."""
CHEEK = np.s_[440:600, 450:610]
"""Rows and columns of a photograph."""
SAME_PORES = 0.57
"""Photographs whose fine detail correlates more than this count as one skin. MakeHuman's were made from each other:
some groups still correlate at 0.5."""
NUM_STEPS, BATCH, INPUT = 250, 64, 32
OCTAVES = ((2, 4), (4, 8), (8, 16))
"""Wavelengths in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Patches:
    """Skin as rendered; row by row."""

    rgb: NDArray[np.uint8]
    """N × 40 × 40 × 3."""
    is_photograph: NDArray[np.bool_]
    actor: NDArray[np.int64]
    """Whose head it is on, own skin or photographed."""
    group: NDArray[np.int64]
    """Of photographs that share their pores, the one drawn beside the actor."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render")
    render.add_argument("--photographs", type=Path, required=True)
    render.add_argument("--output", type=Path, required=True)
    render.add_argument("--actors", type=int, default=14)
    compare = commands.add_parser("compare")
    compare.add_argument("files", type=Path, nargs="+")
    commands.add_parser("nets")
    arguments = parser.parse_args()
    if arguments.command == "render":
        found = render_patches(read_photographs(arguments.photographs), arguments.actors)
        np.savez_compressed(
            arguments.output,
            rgb=found.rgb,
            is_photograph=found.is_photograph,
            actor=found.actor,
            group=found.group,
        )
    elif arguments.command == "compare":
        compare_files(arguments.files)
    else:
        measure_nets()


def read_photographs(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """RGB by name."""
    found = {}
    for path in sorted(folder.iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            found[path.stem] = np.asarray(picture[..., ::-1], np.uint8)
    if not found:
        raise SystemExit(f"no photographs in {folder}; expected JPEG or PNG files")
    return found


def groups_by_pores(photographs: Sequence[NDArray[np.uint8]]) -> list[int]:
    """The first photograph of each one's group: a chain of photographs that share their pores."""
    fine = []
    for photograph in photographs:
        grey = cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY).astype(np.float32)
        detail = (grey - cv2.GaussianBlur(grey, (0, 0), 1.0))[CHEEK]
        detail = np.clip(detail, *np.percentile(detail, [1, 99]))
        fine.append((detail - detail.mean()) / (detail.std() + 1e-6))
    groups = list(range(len(fine)))
    for number, detail in enumerate(fine):
        for other in range(number):
            if float((detail * fine[other]).mean()) > SAME_PORES:
                first, second = sorted((groups[number], groups[other]))
                groups = [first if group == second else group for group in groups]
    return groups


def on_map(photograph: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photograph where the head's map shows it, over another map."""
    size = len(below)
    scale = ISLAND_SCALE * size / WHOLE
    top, left = PHOTOGRAPH_TOP_LEFT
    x = ((left / WHOLE - ISLAND_FROM[0]) * ISLAND_SCALE + ISLAND_TO[0]) * size
    y = (1 - (1 - top / WHOLE - ISLAND_FROM[1]) * ISLAND_SCALE - ISLAND_TO[1]) * size
    matrix = np.array([[scale, 0, x + 0.5 * scale - 0.5], [0, scale, y + 0.5 * scale - 0.5]])
    if scale < 1:
        photograph = np.asarray(cv2.GaussianBlur(photograph, (0, 0), 0.4 / scale), np.uint8)
    moved = cv2.warpAffine(photograph, matrix, (size, size), flags=cv2.INTER_LINEAR)
    covered = cv2.warpAffine(np.ones(photograph.shape[:2], np.uint8), matrix, (size, size), flags=cv2.INTER_NEAREST)
    return np.asarray(np.where(covered[..., None] > 0, moved, below), np.uint8)


def render_patches(photographs: Mapping[str, NDArray[np.uint8]], num_actors: int) -> Patches:
    """Patches of actors in their own skin, and with photographed albedo."""
    pictures = list(photographs.values())
    groups = groups_by_pores(pictures)
    print(f"{len(pictures)} photographs, {len(set(groups))} that don't share their pores", flush=True)
    rows: list[tuple[NDArray[np.uint8], bool, int, int]] = []
    for number in range(num_actors):
        which = number % len(pictures)
        figure = build_figure(draw_actor(FIRST_ACTOR + number), "fine")
        worn = replace(figure, skin=replace(figure.skin, rgb=on_map(pictures[which], figure.skin.rgb)))
        light = draw_scene(FIRST_ACTOR + number, 1).shots[0].light
        for yaw_deg in YAWS_DEG:
            posed = pose_figure(figure, still(yaw_deg), 0)
            camera = Camera(frame_m=FRAME_M)
            points = camera.project(posed.landmarks, SIZE)[0]
            for each, is_photograph in ((figure, False), (worn, True)):
                picture = Caster(each).draw(posed, camera, light, SIZE)
                rows += [
                    (patch, is_photograph, number, groups[which])
                    for patch in cut_patches(picture.rgb, points, picture.labels == Part.SKIN)
                ]
        print(".", end="", flush=True)
    print()
    return Patches(
        rgb=np.stack([row[0] for row in rows]),
        is_photograph=np.array([row[1] for row in rows]),
        actor=np.array([row[2] for row in rows]),
        group=np.array([row[3] for row in rows]),
    )


def cut_patches(rgb: NDArray[np.uint8], points_xy: Array, is_skin: NDArray[np.bool_]) -> list[NDArray[np.uint8]]:
    """Around the places of the face, those with nothing but skin."""
    found = []
    for point in (point for points in PLACES.values() for point in points):
        column, row = (np.round(points_xy[point]) - PATCH // 2).astype(int).tolist()
        if min(row, column) < 0 or max(row, column) + PATCH > len(rgb):
            continue
        window = np.s_[row : row + PATCH, column : column + PATCH]
        if is_skin[window].mean() > 0.98:
            found.append(rgb[window])
    return found


def portrait_patches() -> NDArray[np.uint8]:
    """Of the real portrait, at as many pixels a millimetre."""
    (frame,) = read_frames(probe(PORTRAIT))
    (face,) = FaceFinder()(frame.rgb)
    points = face.landmarks_xyz[:, :2]
    # Outer corners of the eyes lie some 90 mm apart.
    factor = 90 * SIZE / (FRAME_M * 1000) / float(np.linalg.norm(points[33] - points[263]))
    enlarged = cv2.resize(frame.rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    print(f"portrait enlarged {factor:.2f} times, so its finest octave is empty where that is above 1")
    return np.stack(
        cut_patches(np.asarray(enlarged, np.uint8), points * factor, np.ones(enlarged.shape[:2], dtype=bool))
    )


def octave_levels(rgb: NDArray[np.uint8]) -> Array:
    """Power of luma by octaves in dB of contrast, a patch's mean being one; the median, as a hair decides a mean."""
    luma = rgb.astype(float) @ [0.299, 0.587, 0.114]
    luma = luma / luma.mean(axis=(1, 2), keepdims=True) - 1
    window = np.hanning(PATCH)[:, None] * np.hanning(PATCH)
    power = np.abs(np.fft.fft2(luma * window)) ** 2 / (window**2).sum()
    frequency = np.hypot(np.fft.fftfreq(PATCH)[:, None], np.fft.fftfreq(PATCH))
    bands = [power[:, (frequency > 1 / high) & (frequency <= 1 / low)].mean(axis=1) for low, high in OCTAVES]
    return np.asarray(10 * np.log10(np.median(bands, axis=1)))


def colour_statistics(rgb: NDArray[np.uint8]) -> tuple[Array, Array, float]:
    """Mean Lab; covariance of Lab within patches; excess kurtosis of the finest detail of L. Medians over patches."""
    lab = np.stack([cv2.cvtColor(patch.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for patch in rgb]).astype(float)
    covariance = np.median([np.cov(patch.reshape(-1, 3).T) for patch in lab], axis=0)
    high = np.stack([patch - cv2.GaussianBlur(patch, (0, 0), 1.2) for patch in lab[..., 0]])
    high = high / (high.std(axis=(1, 2), keepdims=True) + 1e-9)
    kurtosis = float(np.median((high**4).mean(axis=(1, 2)))) - 3
    return np.median(lab.mean(axis=(1, 2)), axis=0), covariance, kurtosis


class PatchNet(nn.Sequential):
    """Photographed or not: a few convolutions, and the mean over the patch."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 24, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 1),
        )


def standardised(rgb: NDArray[np.uint8]) -> torch.Tensor:
    """Without mean by channel, and of the same contrast: N × 3 × 40 × 40."""
    x_bchw = torch.from_numpy(np.ascontiguousarray(rgb)).permute(0, 3, 1, 2).float()
    x_bchw = x_bchw - x_bchw.mean(dim=(2, 3), keepdim=True)
    # Slow slopes are light rather than skin.
    slow = nn.functional.avg_pool2d(x_bchw, 17, stride=1, padding=8, count_include_pad=False)
    x_bchw = x_bchw - slow
    return x_bchw / (x_bchw.std(dim=(1, 2, 3), keepdim=True) + 1e-3)


def accuracy_by_actor(patches: Patches, num_steps: int = NUM_STEPS) -> Array:
    """Of the net on each actor's held-out patches, photographed and own counted alike."""
    groups = sorted(set(patches.group.tolist()))
    x_bchw = standardised(patches.rgb)
    y = torch.from_numpy(patches.is_photograph.astype(np.float32))
    found: dict[int, float] = {}
    for group in groups:
        held = patches.group == group
        net = trained(x_bchw[~held], y[~held], num_steps, seed=group)
        with torch.no_grad():
            margin = (PATCH - INPUT) // 2
            said = net(x_bchw[:, :, margin : margin + INPUT, margin : margin + INPUT])[:, 0].numpy() > 0
        right = said == patches.is_photograph
        for actor in np.unique(patches.actor[held]):
            mine = patches.actor == actor
            kinds = [right[mine & (patches.is_photograph == kind)] for kind in (False, True)]
            if all(len(kind) for kind in kinds):
                found[int(actor)] = float(np.mean([kind.mean() for kind in kinds]))
    return np.array(list(found.values()))


def trained(x_bchw: torch.Tensor, y: torch.Tensor, num_steps: int, seed: int) -> PatchNet:
    """A net of its own, from random crops and mirror images, both kinds as often."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = PatchNet()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    kinds = [np.flatnonzero(y.numpy() == kind) for kind in (0, 1)]
    for step in range(num_steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - step / num_steps)
        rows = np.concatenate([rng.choice(kind, BATCH // 2) for kind in kinds])
        top, left = rng.integers(0, PATCH - INPUT + 1, 2).tolist()
        batch = x_bchw[rows, :, top : top + INPUT, left : left + INPUT]
        if rng.random() < 0.5:
            batch = batch.flip(3)
        if rng.random() < 0.5:
            batch = batch.flip(2)
        loss = nn.functional.binary_cross_entropy_with_logits(net(batch)[:, 0], y[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return net


def interval(values: Array) -> tuple[float, float]:
    """95% of the means of actors drawn again with replacement."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (4000, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def compare_files(files: Sequence[Path]) -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print("| skin | patches | " + " | ".join(f"{low}–{high} px, dB" for low, high in OCTAVES) + " | kurtosis |")
    print("| --- | --- | " + "--- | " * len(OCTAVES) + "--- |")
    real = portrait_patches()
    shown = {"the portrait": real}
    kept = {}
    for path in files:
        with np.load(path) as file:
            kept[path.stem] = Patches(**{name: file[name] for name in ("rgb", "is_photograph", "actor", "group")})
        shown[f"{path.stem}: photographed albedo"] = kept[path.stem].rgb[kept[path.stem].is_photograph]
        shown[f"{path.stem}: the actors' own"] = kept[path.stem].rgb[~kept[path.stem].is_photograph]
    for name, rgb in shown.items():
        levels = " | ".join(f"{level:.1f}" for level in octave_levels(rgb))
        print(f"| {name} | {len(rgb)} | {levels} | {colour_statistics(rgb)[2]:.2f} |")
    print("\n| skin | mean Lab | variances of L, a, b within patches | correlations La, Lb, ab |")
    print("| --- | --- | --- | --- |")
    for name, rgb in shown.items():
        mean, covariance, _ = colour_statistics(rgb)
        deviation = np.sqrt(np.diag(covariance))
        correlation = covariance / np.outer(deviation, deviation)
        means = ", ".join(f"{value:.1f}" for value in mean)
        variances = ", ".join(f"{value:.2f}" for value in np.diag(covariance))
        correlations = ", ".join(f"{correlation[i, j]:.2f}" for i, j in ((0, 1), (0, 2), (1, 2)))
        print(f"| {name} | {means} | {variances} | {correlations} |")
    print("\n| told from photographed albedo, unseen | accuracy | 95% | actors |\n| --- | --- | --- | --- |")
    for name, patches in kept.items():
        accuracies = accuracy_by_actor(patches)
        low, high = interval(accuracies)
        print(f"| {name} | {accuracies.mean():.3f} | {low:.3f}–{high:.3f} | {len(accuracies)} |")


def measure_nets() -> None:
    """Print what the nets make of the portrait, beside what the tests have marked by hand."""
    (frame,) = read_frames(probe(PORTRAIT))
    (face,) = FaceFinder()(frame.rgb)
    marked = np.array(list(MARKED_XY.values()))
    off = np.linalg.norm(face.landmarks_xyz[list(MARKED_XY), :2] - marked, axis=1)
    off = off / np.linalg.norm(marked[0] - marked[3])
    print(f"| mesh: marked points, mean and most, of the eyes' distance | {off.mean():.2%}, {off.max():.2%} |")
    visible = describe_face(frame.rgb, face.landmarks_xyz, Segmenter(), EyeFinder(), CROP_SIZE).visible
    to_frame = invert(frame_to_crop(head_pose(face.landmarks_xyz), CROP_SIZE))
    found = cv2.warpAffine(visible.mask, to_frame, frame.rgb.shape[1::-1]) > 0.5
    outline = cv2.fillPoly(np.zeros(frame.rgb.shape[:2], np.uint8), [np.array(OUTLINE_XY)], 1) > 0
    print(f"| segmenter: IoU with the marked outline | {(found & outline).sum() / (found | outline).sum():.3f} |")
    print(f"| segmenter: origin, hidden | {visible.origin}, {visible.occluded_fraction:.3f} |")


if __name__ == "__main__":
    main()
