"""Replace the face in the plate of `tools.fine.plate` by each preset, measure its detail, and draw `docs/fine.jpg`.

    .venv/bin/python -m tools.fine.measure --output FOLDER

Each preset runs in a process of its own, so that its memory is known; what is published already is measured again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from countenance.actors.filming import pictures_in
from countenance.bench.cases import ROLES
from countenance.bench.judge.measure import ClipMeasures, Judge, References, gains, measure_clip
from countenance.bench.judge.metrics import Rgb
from countenance.bench.pictures import BACKGROUND, GAP_PX, INK
from countenance.bench.production import (
    LIKENESS,
    PERFORMER,
    PUBLISHING,
    TITLE,
    USE,
    opened_production,
)
from countenance.bench.worker import masks_in
from countenance.cli.display import Bars
from countenance.consent.permit import grant, grant_prepare
from countenance.consent.register import add_release
from countenance.consent.synthetic import issue_release
from countenance.demo.compare import pictures
from countenance.faces.config import PrepareConfig
from countenance.faces.portrait import template_of
from countenance.progress import Progress
from countenance.project import create
from countenance.steps.collect import collect
from countenance.steps.drawings import Preset
from countenance.steps.generate import Pair, generate
from countenance.steps.prepare import prepare
from tools.fine.detail import BANDS_PX, CLOSE_UPS, REGIONS, CloseJudge, Detail, banded, close_up, measure, region_of
from tools.fine.plate import NUM_FRAMES, SIZE, WIDTH, FineFiles, render_fine

DOCS = Path(__file__).parents[2] / "docs"
PRESETS: tuple[Preset, ...] = get_args(Preset)
SHOWN_FRAME, SHOWN_OF_LIKENESS = 4, 6
SHOWN = ("left eye", "mouth")
CAPTION_PX = 22


def make_project(files: FineFiles, folder: Path, progress: Progress) -> None:
    """Both releases and the likeness's face set; of the performer there is the plate alone."""
    made = folder / "made"
    if made.exists():
        return
    folder.mkdir(parents=True)
    create(folder / "project", use=USE, title=TITLE)
    with opened_production(folder) as project:
        for role in ROLES:
            document = issue_release(role, role, files.portrait(role), folder / "documents", use=USE, title=TITLE)
            add_release(project, document, template_of)
        pictures_of = sorted((files.frames("footage") / "rgb").glob("*.png"))
        collect(project, LIKENESS, pictures_of, progress=progress)
        prepare(project, LIKENESS, grant_prepare(project, LIKENESS), PrepareConfig(), progress=progress)
    made.touch()


def published(files: FineFiles, folder: Path, preset: Preset) -> Path:
    """The plate with the likeness, by a preset; as a user would make it, but for the label and one thread."""
    output = folder / f"{preset}.mp4"
    config = replace(PUBLISHING, model="base", preset=preset, keep_faces_gb=0)
    with opened_production(folder) as project, Bars() as progress:
        permit = grant(project, "generate", likeness=LIKENESS, performer=PERFORMER)
        begun, begun_cpu = time.monotonic(), time.process_time()
        pair = Pair(likeness=LIKENESS, performer=PERFORMER, permit=permit, is_disguise=False)
        generate(project, files.plate, [pair], output, config, overwrite=True, progress=progress)
    spent = {"s": time.monotonic() - begun, "cpu_s": time.process_time() - begun_cpu}
    (folder / f"{preset}.json").write_text(json.dumps(spent))
    return output


def published_apart(folder: Path, preset: Preset) -> dict[str, float]:
    """`published` in a process of its own: its seconds, and its peak memory in GB."""
    told = folder / f"{preset}-spent.json"
    if not told.exists():
        command = [sys.executable, "-m", "tools.fine.measure", "--output", str(folder), "--only", preset]
        child = subprocess.Popen(command)
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed")
        spent = json.loads((folder / f"{preset}.json").read_text())
        told.write_text(json.dumps({**spent, "gb": used.ru_maxrss / 1e6}))
    return dict(json.loads(told.read_text()))


def middle(clip: Path) -> Iterator[Rgb]:
    """The rendered square of a clip's frames."""
    left = (WIDTH - SIZE) // 2
    return (np.ascontiguousarray(rgb[:, left : left + SIZE]) for rgb in pictures(clip))


def points_in(files: FineFiles, name: str, index: int) -> Float32[np.ndarray, "468 2"]:
    """The mesh of a rendered picture."""
    facts = json.loads((files.frames(name) / "facts" / f"{index:04}.json").read_text())
    return np.array(facts["landmarks_xy"], np.float32)


def picture(files: FineFiles, name: str, index: int) -> Rgb:
    """One rendered picture."""
    read = cv2.imread(str(files.frames(name) / "rgb" / f"{index:04}.png"), cv2.IMREAD_COLOR)
    assert read is not None
    return np.asarray(cv2.cvtColor(read, cv2.COLOR_BGR2RGB), np.uint8)


def grey(files: FineFiles, name: str, kind: str, index: int) -> UInt8[np.ndarray, "S S"]:
    """Labels or mask of a rendered picture."""
    read = cv2.imread(str(files.frames(name) / kind / f"{index:04}.png"), cv2.IMREAD_GRAYSCALE)
    assert read is not None
    return np.asarray(read, np.uint8)


def details(files: FineFiles, shown: str, frames: Iterator[Rgb], regions_of: str) -> dict[str, list[Detail]]:
    """Of some frames in the regions of what is rendered: of the truth's, with the truth's detail beside it."""
    found: dict[str, list[Detail]] = {name: [] for name in REGIONS}
    for index, rgb in enumerate(frames):
        labels, mask = (grey(files, regions_of, kind, index) for kind in ("labels", "mask"))
        beside = banded(picture(files, "truth", index)) if regions_of == "truth" and shown != "truth" else None
        for name, several in found.items():
            several.append(measure(rgb, region_of(labels, mask, name), beside))
    return found


def detail_table(files: FineFiles, clips: dict[Preset, Path]) -> str:
    """How strong detail is, and how much of it is the truth's, as Markdown."""
    rows: dict[str, dict[str, list[Detail]]] = {
        "likeness's pictures": details(files, "footage", pictures_in(files.frames("footage") / "rgb"), "footage"),
        "truth": details(files, "truth", pictures_in(files.frames("truth") / "rgb"), "truth"),
        "plate": details(files, "plate", pictures_in(files.frames("plate") / "rgb"), "plate"),
        **{name: details(files, name, middle(clip), "truth") for name, clip in clips.items()},
    }
    lines = [
        f"| | | {' | '.join(f'{low}–{high} px' for low, high in BANDS_PX)} |",
        "|" + " --- |" * (2 + len(BANDS_PX)),
    ]
    for region in REGIONS:
        for name, found in rows.items():
            cells = []
            for band in range(len(BANDS_PX)):
                strong = 100 * np.mean([each.strength[band] for each in found[region]])
                right = np.mean([each.correlation[band] for each in found[region]])
                cells.append(f"{strong:.2f} ({right:.2f})" if name in clips else f"{strong:.2f}")
            lines.append(f"| {region} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def gains_table(files: FineFiles, folder: Path, clips: dict[Preset, Path]) -> str:
    """What each result gained over the plate, in the frame and in close-ups, and what it cost, as Markdown."""
    judge, close = Judge(), CloseJudge()
    likeness = judge.mean_face(pictures_in(files.frames("footage") / "rgb"))
    performer = judge.mean_face(pictures_in(files.frames("plate") / "rgb"))
    references = References(likeness=likeness, performer=performer)

    def clip_measures(frames: Iterator[Rgb]) -> ClipMeasures:
        truths, masks = pictures_in(files.frames("truth") / "rgb"), masks_in(files.frames("truth") / "mask")
        return measure_clip(frames, truths, masks, references, judge)

    def close_distances(frames: Iterator[Rgb]) -> dict[str, float]:
        apart: dict[str, list[float]] = {name: [] for name in CLOSE_UPS}
        for index, rgb in enumerate(frames):
            truth, points = picture(files, "truth", index), points_in(files, "truth", index)
            for name, several in apart.items():
                several.append(close.distance(rgb, truth, points, name))
        return {name: float(np.mean(several)) for name, several in apart.items()}

    plate, near = clip_measures(middle(files.plate)), close_distances(middle(files.plate))
    heads = [
        "",
        "identity",
        "perceptual",
        "unseen",
        "SSIM",
        "flicker",
        "sharpness",
        *CLOSE_UPS,
        "CPU-s a frame",
        "peak GB",
    ]
    lines = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for name, clip in clips.items():
        result, spent = clip_measures(middle(clip)), published_apart(folder, name)
        gained, apart = asdict(gains(result, plate)), close_distances(middle(clip))
        cells = [f"{gained[each]:+.2f}" for each in ("identity", "perceptual", "unseen_perceptual", "ssim")]
        cells += [f"{result.flicker:.2f}", f"{result.sharpness:.2f}"]
        cells += [f"{1 - apart[each] / near[each]:+.3f}" for each in CLOSE_UPS]
        cells += [f"{spent['cpu_s'] / NUM_FRAMES:.1f}", f"{spent['gb']:.1f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_sheet(path: Path, files: FineFiles, clips: dict[Preset, Path]) -> None:
    """Close-ups pixel by pixel: plate, results, truth and the likeness's own pictures."""
    columns: dict[str, tuple[Rgb, str, int]] = {
        "plate": (picture(files, "plate", SHOWN_FRAME), "plate", SHOWN_FRAME),
        **{
            name: (rgb, "truth", SHOWN_FRAME)
            for name, clip in clips.items()
            for index, rgb in enumerate(middle(clip))
            if index == SHOWN_FRAME
        },
        "truth": (picture(files, "truth", SHOWN_FRAME), "truth", SHOWN_FRAME),
        "likeness's pictures": (picture(files, "footage", SHOWN_OF_LIKENESS), "footage", SHOWN_OF_LIKENESS),
    }
    font, tile = ImageFont.load_default(size=15), close_up(columns["plate"][0], points_in(files, "plate", 0), SHOWN[0])
    step = len(tile) + GAP_PX
    sheet = Image.new("RGB", (len(columns) * step, CAPTION_PX + len(SHOWN) * step), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for column, (name, (rgb, of_whom, index)) in enumerate(columns.items()):
        draw.text((column * step + 6, 2), name, fill=INK, font=font)
        for row, what in enumerate(SHOWN):
            tile = close_up(rgb, points_in(files, of_whom, index), what)
            sheet.paste(Image.fromarray(tile), (column * step, CAPTION_PX + row * step))
    sheet.save(path, quality=85)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the project and the results")
    parser.add_argument("--only", choices=PRESETS, help="publish by one preset, and measure nothing")
    asked = parser.parse_args()
    with Bars() as progress:
        files = render_fine(progress)
        make_project(files, asked.output, progress)
    if asked.only:
        published(files, asked.output, asked.only)
        return
    # The first also finds the performer, which is kept for the others.
    for preset in PRESETS:
        published_apart(asked.output, preset)
    shown: tuple[Preset, ...] = ("standard", "fine")
    clips = {preset: asked.output / f"{preset}.mp4" for preset in shown}
    write_sheet(DOCS / "fine.jpg", files, clips)
    print(gains_table(files, asked.output, clips), detail_table(files, clips), sep="\n\n")


if __name__ == "__main__":
    main()
