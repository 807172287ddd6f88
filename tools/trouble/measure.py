"""Replace the face in the plate of `tools.trouble.plate`, measure each shot, and make the pictures of `docs/time.md`.

.venv/bin/python -m tools.trouble.measure --output FOLDER
"""

import argparse
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from countenance.bench.cases import case_files, read_cases, shipped_cases
from countenance.bench.judge.measure import FrameMeasures, Judge, gains, measured_frames, summarise
from countenance.bench.judge.metrics import Rgb
from countenance.bench.pictures import BACKGROUND, GAP_PX, INK
from countenance.bench.production import (
    make_production,
    opened_production,
    publish_swap,
    read_references,
    references_for,
)
from countenance.bench.worker import masks_in
from countenance.cli.display import Bars
from countenance.demo.compare import pictures
from countenance.model.guided.drawer import GuidedDrawer
from countenance.model.guided.sources import sources_of
from countenance.threads import one_thread_per_net
from tools.trouble.plate import NUM_FRAMES, SIZE, PlateFiles, render_plate, troubles

DOCS = Path(__file__).parents[2] / "docs"
CASE = "near-middle"
"""The benchmark's case of the same two people: its clips are what the face is learned from."""
SHOWN = (3, 8, 15, 20, 40, 44)
"""Frames of each shot."""
STRIP_PX, CAPTION_PX = 24, 110
EVERY, FRAME_MS = 2, 83
MEASURES = ("nearer", "gaze_deg", "expression_pct", "light", "flicker", "sharpness", "seam")


def replaced(files: PlateFiles, output: Path) -> Path:
    """The plate with the likeness, published."""
    (case,) = (each for each in read_cases(shipped_cases("full")) if each.name == CASE)
    shot, production = output / "shot.mp4", output / "production"
    with Bars() as progress:
        if not production.exists():
            make_production(case_files(case, progress), production, progress)
        with opened_production(production) as project, one_thread_per_net():
            sources = sources_of(references_for(project, "likeness"), references_for(project, "performer"))
            publish_swap(project, files.plate, GuidedDrawer(sources), shot, progress)
    return shot


def measure(files: PlateFiles, shot: Path, output: Path) -> str:
    """A table of all shots, as Markdown."""
    judge, references = Judge(), read_references(output / "production")

    def frames(clip: Path) -> list[FrameMeasures | None]:
        return list(measured_frames(pictures(clip), pictures(files.truth), masks_in(files.masks), references, judge))

    plate, result = frames(files.plate), frames(shot)
    rows = []
    for number, trouble in enumerate(troubles()):
        part = slice(number * NUM_FRAMES, (number + 1) * NUM_FRAMES)
        before, after = summarise(plate[part]), summarise(result[part])
        gained = asdict(gains(after, before))
        figures = [gained[name] for name in ("identity", "perceptual", "ssim")] + [asdict(after)[n] for n in MEASURES]
        rows.append(" | ".join([trouble.name, *("–" if each is None else f"{each:.2f}" for each in figures)]))
    head = " | ".join(["shot", "identity", "perceptual", "SSIM", *MEASURES])
    return "\n".join([f"| {head} |", "|" + " --- |" * (4 + len(MEASURES)), *(f"| {row} |" for row in rows)])


def write_sheet(path: Path, files: PlateFiles, shot: Path) -> None:
    """Plate, result and ground truth of some frames, a row of each for every shot."""
    font = ImageFont.load_default(size=14)
    rows = 3 * len(troubles())
    sheet = Image.new("RGB", (CAPTION_PX + len(SHOWN) * (SIZE + GAP_PX), rows * (SIZE + GAP_PX)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    wanted = {at + number * NUM_FRAMES: (number, SHOWN.index(at)) for number in range(len(troubles())) for at in SHOWN}
    for row, (name, clip) in enumerate((("plate", files.plate), ("result", shot), ("truth", files.truth))):
        for index, rgb in enumerate(pictures(clip)):
            if index in wanted:
                number, column = wanted[index]
                sheet.paste(_left(rgb), (CAPTION_PX + column * (SIZE + GAP_PX), (3 * number + row) * (SIZE + GAP_PX)))
        for number, trouble in enumerate(troubles()):
            draw.text((8, (3 * number + row) * (SIZE + GAP_PX) + 8), f"{trouble.name}\n{name}", fill=INK, font=font)
    sheet.resize((sheet.width // 2, sheet.height // 2), Image.Resampling.LANCZOS).save(path, quality=88)


def write_clip(path: Path, files: PlateFiles, shot: Path) -> None:
    """Plate above, result below, as an animation that repeats."""
    font, images = ImageFont.load_default(size=14), []
    for plate, result in islice(zip(pictures(files.plate), pictures(shot), strict=True), 0, None, EVERY):
        image = Image.new("RGB", (2 * SIZE, 2 * (SIZE + STRIP_PX)), BACKGROUND)
        draw = ImageDraw.Draw(image)
        for top, rgb, caption in ((0, plate, "plate"), (SIZE + STRIP_PX, result, "result, left face: AI modified")):
            image.paste(Image.fromarray(np.asarray(rgb)), (0, top + STRIP_PX))
            draw.text((6, top + 4), caption, fill=INK, font=font)
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:], duration=FRAME_MS, loop=0, quality=60, method=6)


def _left(rgb: Rgb) -> Image.Image:
    return Image.fromarray(np.asarray(rgb)[:, :SIZE])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for the project and the result")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with Bars() as progress:
        files = render_plate(progress)
    shot = replaced(files, output)
    write_sheet(DOCS / "time.jpg", files, shot)
    write_clip(DOCS / "time.webp", files, shot)
    print(measure(files, shot, output))


if __name__ == "__main__":
    main()
