"""Make the images of the README and of `docs/base.md` from the benchmark's results.

    countenance bench truth --methods base --output FOLDER
    .venv/bin/python tools/make_readme_images.py FOLDER

`docs/pairs.jpg`: four pairs of actors, nothing trained on them; `docs/before_after.webp`: one of them, in motion;
`docs/base_1.jpg`, `docs/base_2.jpg`: all cases; `docs/base_farthest.jpg`: the frames furthest from the truth.
"""

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from countenance.bench.cases import CaseFiles, case_files, read_cases, shipped_cases
from countenance.bench.pictures import BACKGROUND, GAP_PX, INK, write_farthest, write_overview
from countenance.bench.truth import published_video
from countenance.demo.compare import pictures
from countenance.progress import Silent

DOCS = Path(__file__).parents[1] / "docs"
METHOD, STAGE = "base", 0
PAIRS = ("near-light", "near-middle", "cycles", "far-light-on-dark")
CLIP = "cycles"
SIDE_PX, STRIP_PX = 300, 28
EVERY, FRAME_MS = 2, 80


def write_clip(path: Path, files: CaseFiles, result: Path) -> None:
    """Plate and result side by side, as an animation that repeats."""
    font = ImageFont.load_default(size=15)
    images = []
    for plate, swapped in islice(zip(pictures(files.plate), pictures(result), strict=True), 0, None, EVERY):
        image = Image.new("RGB", (2 * SIDE_PX + GAP_PX, SIDE_PX + STRIP_PX), BACKGROUND)
        draw = ImageDraw.Draw(image)
        for left, rgb, caption in ((0, plate, "plate"), (SIDE_PX + GAP_PX, swapped, "result: AI modified")):
            shown = Image.fromarray(np.asarray(rgb)).resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
            image.paste(shown, (left, STRIP_PX))
            draw.text((left + 6, 5), caption, fill=INK, font=font)
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:], duration=FRAME_MS, loop=0, quality=70, method=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="the benchmark's folder")
    output = parser.parse_args().results
    results = json.loads((output / "results.json").read_text())
    done = {row["case"] for row in results["rows"] if row["method"] == METHOD and row["stages"]}
    cases = {case.name: case for case in read_cases(shipped_cases("full")) if case.name in done}
    write_overview(DOCS / "pairs.jpg", [cases[name] for name in PAIRS], METHOD, STAGE, output)
    halves = np.array_split(np.array(list(cases)), 2)
    for number, half in enumerate(halves, 1):
        write_overview(DOCS / f"base_{number}.jpg", [cases[name] for name in half], METHOD, STAGE, output)
    write_farthest(DOCS / "base_farthest.jpg", results, list(cases.values()), METHOD, output)
    clip = cases[CLIP]
    write_clip(DOCS / "before_after.webp", case_files(clip, Silent()), published_video(output, clip, METHOD, STAGE))


if __name__ == "__main__":
    main()
