"""How far a disguise hides a witness, by two recognisers: the figures and the picture of docs/disguise.md.

    python tools/measure_witness.py --seeds 24 32 41 --work /tmp/witness --picture docs/disguise.jpg

The witness is the demo's performer, a synthetic actor as everybody here. Their plate is disguised with actors of some
seeds, and for comparison blurred and pixelated. Both recognisers then compare every frame with the mean of the
witness's training frames: the product's own, and the judge's, which no loss and no other part of the product has seen.

A limit is that distance within which 1% of strangers' frames lie; beside it stands how often the witness is the
nearest of all in a line-up with those strangers. Whoever looks may cut the face where a mesh is found or where the
plate's lies: the nearer of both counts.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from countenance.actors.actor import draw_actor
from countenance.actors.figure import build_figure
from countenance.actors.performance import draw_performance
from countenance.actors.render import detail_of, opened_renderer, render_figure
from countenance.actors.staging import draw_scene
from countenance.bench.judge.unseen import UnseenIdentity, cut_unseen_chip
from countenance.bench.production import TITLE, USE, opened_production
from countenance.casting import cast_actor
from countenance.cli.display import Bars
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release
from countenance.consent.synthetic import issue_release
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.faces.config import PrepareConfig
from countenance.faces.portrait import template_of
from countenance.progress import Progress
from countenance.project import create, write_whole
from countenance.steps.collect import collect
from countenance.steps.generate import GenerateConfig, Pair, generate
from countenance.steps.prepare import prepare
from countenance.vision.align import cut, head_pose
from countenance.vision.identity import Recogniser, cut_chip, embed
from countenance.vision.landmarks import FaceFinder

WITNESS = "witness"
FIRST_STRANGER, FRAMES_OF_STRANGER, STRANGER_SIZE = 700, 4, 160
FALSE_ACCEPTS = 0.01
NUM_WITNESS_FRAMES = 48
NUM_WORST, PICTURE_PX = 6, 200

Rgb = np.ndarray
Points = np.ndarray


@dataclass(frozen=True, kw_only=True)
class Net:
    """A recogniser, from pictures and points to embeddings."""

    name: str
    embed: Callable[[Rgb, Points], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class LineUp:
    """By one net: the witness, and strangers."""

    witness: np.ndarray
    strangers: np.ndarray
    """Means, one each."""
    limit: float


def nets() -> list[Net]:
    recogniser, unseen = Recogniser(), UnseenIdentity()

    def by_product(rgb: Rgb, points: Points) -> np.ndarray:
        return np.asarray(embed(recogniser, [cut_chip(rgb, points)])[0])

    def by_judge(rgb: Rgb, points: Points) -> np.ndarray:
        chip = torch.from_numpy(cut_unseen_chip(rgb, points)).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            return np.asarray(unseen(chip)[0].numpy(), np.float32)

    return [Net(name="product", embed=by_product), Net(name="judge", embed=by_judge)]


def stranger_frames(seed: int) -> Iterator[Rgb]:
    """Some frames of another actor, in poses and light of their own."""
    figure = build_figure(draw_actor(seed), detail_of("caster", STRANGER_SIZE))
    length = 24 * FRAMES_OF_STRANGER
    with opened_renderer("caster") as renderer:
        performance, scene = draw_performance(seed, length), draw_scene(seed, length, FRAMES_OF_STRANGER)
        for frame in render_figure(
            figure, performance, scene, renderer, size=STRANGER_SIZE, frames=range(0, length, 24)
        ):
            yield frame.rgb


def embeddings_of(frames: Iterator[Rgb], net: Sequence[Net], find_faces: FaceFinder) -> list[np.ndarray]:
    """For each net the embeddings of all frames in which a face is found."""
    found: list[list[np.ndarray]] = [[] for _ in net]
    for rgb in frames:
        for face in find_faces(rgb)[:1]:
            for number, each in enumerate(net):
                found[number].append(each.embed(rgb, face.landmarks_xyz[:, :2]))
    return [np.array(each) for each in found]


def line_ups(
    net: Sequence[Net], find_faces: FaceFinder, number_of_strangers: int, work: Path, progress: Progress
) -> list[LineUp]:
    """The witness's mean, the strangers', and the limit; strangers are rendered once."""
    stored = work / f"strangers-{number_of_strangers}.npz"
    seeds = range(FIRST_STRANGER, FIRST_STRANGER + number_of_strangers)
    if not stored.exists():
        strangers = [
            embeddings_of(stranger_frames(seed), net, find_faces)
            for seed in progress.track(seeds, what="drawing strangers", unit="actors", total=len(seeds))
        ]
        named: dict[str, Any] = {f"{i}_{j}": row for i, rows in enumerate(strangers) for j, row in enumerate(rows)}
        np.savez(stored, **named)
    with np.load(stored) as kept:
        strangers = [[kept[f"{i}_{j}"] for j in range(len(net))] for i in range(len(seeds))]
    training = list(pictures(data_folder() / "kofi_training.mp4"))
    own = embeddings_of(iter(training[:: len(training) // NUM_WITNESS_FRAMES]), net, find_faces)
    ups = []
    for number in range(len(net)):
        witness = own[number].mean(axis=0)
        several = [each[number] for each in strangers if len(each[number])]
        distances = np.linalg.norm(np.concatenate(several) - witness, axis=1)
        ups.append(
            LineUp(
                witness=witness,
                strangers=np.array([each.mean(axis=0) for each in several]),
                limit=float(np.quantile(distances, FALSE_ACCEPTS)),
            )
        )
    return ups


def disguises(seeds: Sequence[int], plate: Path, work: Path, progress: Progress) -> dict[str, Path]:
    """The plate with the face of each actor, without a halo, and with the last one's with it."""
    folder = work / "production"
    if not folder.exists():
        folder.mkdir(parents=True)
        create(folder / "project", use=USE, title=TITLE)
    made = {}
    with opened_production(folder) as project:
        portrait = data_folder() / "kofi.png"
        if not (folder / "documents").exists():
            release = issue_release(WITNESS, "performer", portrait, folder / "documents", use=USE, title=TITLE)
            add_release(project, release, template_of)
        collect(project, WITNESS, [data_folder() / "kofi_training.mp4"], progress=progress)
        prepare(project, WITNESS, grant_prepare(project, WITNESS), PrepareConfig(), progress=progress)
        wanted = [(seed, 0.0) for seed in seeds] + [(seeds[-1], 0.7)]
        for seed, halo in wanted:
            output = work / f"actor-{seed}{'-halo' if halo else ''}.mp4"
            if not output.exists():
                likeness = cast_actor(project, seed, progress)
                permit = grant(project, "generate", likeness=likeness, performer=WITNESS)
                config = replace(GenerateConfig(), halo=halo)
                pair = Pair(likeness=likeness, performer=WITNESS, permit=permit, is_disguise=True)
                generate(project, plate, [pair], output, config, overwrite=False, progress=progress)
            made[output.stem] = output
    return made


def blurred(rgb: Rgb, points: Points) -> Rgb:
    """A soft disc over the face, as television does it."""
    low, high = points.min(axis=0), points.max(axis=0)
    width = float((high - low).max())
    soft = cv2.GaussianBlur(rgb, (0, 0), width / 10)
    return _over_face(rgb, soft, low, high)


def pixelated(rgb: Rgb, points: Points) -> Rgb:
    """About ten squares across the face."""
    low, high = points.min(axis=0), points.max(axis=0)
    block = float((high - low).max()) / 10
    height, width = rgb.shape[:2]
    small = cv2.resize(rgb, (round(width / block), round(height / block)), interpolation=cv2.INTER_AREA)
    return _over_face(rgb, cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), low, high)


def _over_face(rgb: Rgb, other: Rgb, low: np.ndarray, high: np.ndarray) -> Rgb:
    mask = np.zeros(rgb.shape[:2], np.uint8)
    middle, axes = (low + high) / 2, 0.65 * (high - low)
    cv2.ellipse(mask, tuple(map(int, middle)), tuple(map(int, axes)), 0, 0, 360, 255, -1)
    return np.where(mask[..., None] > 0, other, rgb)


def measured(
    shown: Sequence[Rgb], points: Sequence[Points], net: Sequence[Net], ups: Sequence[LineUp], find_faces: FaceFinder
) -> dict[str, np.ndarray]:
    """For each net, by frame: the distance to the witness, and to the nearest stranger."""
    rows: dict[str, list[tuple[float, float]]] = {each.name: [] for each in net}
    for rgb, place in zip(shown, points, strict=True):
        places = [place, *(face.landmarks_xyz[:, :2] for face in find_faces(rgb)[:1])]
        for each, up in zip(net, ups, strict=True):
            looks = [each.embed(rgb, where) for where in places]
            nearest = min(looks, key=lambda look: float(np.linalg.norm(look - up.witness)))
            others = np.linalg.norm(up.strangers - nearest, axis=1)
            rows[each.name].append((float(np.linalg.norm(nearest - up.witness)), float(others.min())))
    return {name: np.array(several) for name, several in rows.items()}


def figures(rows: Mapping[str, np.ndarray], ups: Mapping[str, LineUp]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "distance_median": round(float(np.median(each[:, 0])), 3),
            "distance_nearest": round(float(each[:, 0].min()), 3),
            "recognised": round(float((each[:, 0] < ups[name].limit).mean()), 4),
            "first_of_line_up": round(float((each[:, 0] < each[:, 1]).mean()), 4),
        }
        for name, each in rows.items()
    }


def worst_picture(
    path: Path, plate: Sequence[Rgb], points: Sequence[np.ndarray], worst: Mapping[str, tuple[Sequence[Rgb], list[int]]]
) -> None:
    """A row for each disguise: its nearest frames, plate above."""
    rows = []
    for caption, (shown, chosen) in worst.items():
        for label, source in ((f"{caption}: plate", plate), (f"{caption}: result, the nearest frames first", shown)):
            crops = [cut(source[index], head_pose(points[index]), PICTURE_PX) for index in chosen]
            strip = Image.new("RGB", (PICTURE_PX * len(chosen), 20), (24, 24, 24))
            font = ImageFont.load_default(size=12)
            ImageDraw.Draw(strip).text((6, 10), label, fill=(235, 235, 235), font=font, anchor="lm")
            rows += [np.asarray(strip), np.hstack(crops)]
    Image.fromarray(np.vstack(rows)).save(path, quality=88)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[24, 32, 41], help="of the actors")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made; kept")
    parser.add_argument("--strangers", type=int, default=60, help="in the line-up, seeds from 700 on")
    parser.add_argument("--picture", type=Path, help="of the nearest frames")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.work.mkdir(parents=True, exist_ok=True)
    plate_path = data_folder() / "performance.mp4"
    with Bars() as progress:
        made = disguises(asked.seeds, plate_path, asked.work, progress)
        find_faces, net = FaceFinder(), nets()
        ups = line_ups(net, find_faces, asked.strangers, asked.work, progress)
        plate = list(pictures(plate_path))
        meshes = [find_faces(rgb)[0].landmarks_xyz for rgb in plate]
        points = [mesh[:, :2] for mesh in meshes]
        conditions: dict[str, Sequence[Rgb]] = {
            "plate": plate,
            "blurred": [blurred(rgb, at) for rgb, at in zip(plate, points, strict=True)],
            "pixelated": [pixelated(rgb, at) for rgb, at in zip(plate, points, strict=True)],
            **{name: list(pictures(path)) for name, path in made.items()},
        }
        rows = {
            name: measured(shown, points, net, ups, find_faces)
            for name, shown in progress.track(
                conditions.items(), what="comparing", unit="versions", total=len(conditions)
            )
        }
    by_name = {each.name: up for each, up in zip(net, ups, strict=True)}
    result = {
        "frames": len(plate),
        "strangers": len(ups[0].strangers),
        "limits": {name: round(up.limit, 3) for name, up in by_name.items()},
        "conditions": {name: figures(each, by_name) for name, each in rows.items()},
    }
    write_whole(asked.work / "figures.json", json.dumps(result, indent=1).encode())
    print(json.dumps(result, indent=1))
    if asked.picture:
        worst = {}
        for name in made:
            # By either net, each in its own limits.
            nearness = np.min([rows[name][each][:, 0] / by_name[each].limit for each in by_name], axis=0)
            chosen: list[int] = []
            for index in np.argsort(nearness).tolist():
                if len(chosen) < NUM_WORST and all(abs(index - other) > 6 for other in chosen):
                    chosen.append(index)
            worst[name] = (conditions[name], chosen)
        worst_picture(asked.picture, plate, meshes, worst)


if __name__ == "__main__":
    main()
