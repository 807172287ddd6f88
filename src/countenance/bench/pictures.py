"""Plots of quality against processor time, and contact sheets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from countenance.bench.cases import Case, case_files
from countenance.bench.judge.measure import NUM_FARTHEST
from countenance.bench.table import GAINS
from countenance.bench.truth import published_video
from countenance.demo.compare import pictures
from countenance.progress import Silent

Rgb = UInt8[np.ndarray, "H W 3"]

NUM_FRAMES = 3
TILE_PX, OVERVIEW_TILE_PX = 224, 300
MARGIN = 0.3
"""Margin around the face, as a fraction of its larger side."""
DIFFERENCE_GAIN = 3.0
CAPTION_PX, LEFT_PX, GAP_PX, NOTE_PX = 44, 96, 6, 200
BACKGROUND, INK, FAINT = (20, 20, 22), (240, 240, 240), (160, 160, 165)
LOWEST_GAIN, HIGHEST_GAIN = -1.5, 1.3
"""Of the plots; what lies below is drawn at the edge."""
COLOURS = {
    "plate": "#777777",
    "composite limit": "#444444",
    "classical": "#e0a030",
    "base": "#8c5ad6",
    "ours": "#d62f5a",
    "faceswap-lightweight": "#3b7dd8",
    "faceswap-original": "#7fb2f0",
    "deepfacelab-df": "#2e9e6b",
    "deepfacelab-liae": "#86cfa6",
}


def write_plot(path: Path, results: Mapping[str, Any]) -> None:
    """Gains against processor time: a row for each gain, a column for each case, a line for each method."""
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    cases = [case["name"] for case in results["cases"]]
    last_s = max((stage["cpu_s"] for row in results["rows"] for stage in row["stages"]), default=0.0)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(max(2.0 + 3.3 * len(cases), 7.5), 2.2 * len(GAINS) + 1.2), layout="constrained")
        axes = figure.subplots(len(GAINS), len(cases), sharex=True, sharey=True, squeeze=False)
        for column, case in enumerate(cases):
            for line, gain in enumerate(GAINS):
                axis = axes[line][column]
                axis.axhline(0, color=COLOURS["plate"], linewidth=1.2, linestyle="--")
                axis.axhline(1, color="#222222", linewidth=1.2, linestyle=":")
                for row in results["rows"]:
                    if row["case"] == case and row["method"] not in ("plate", "truth") and row["stages"]:
                        _draw_line(axis, row, gain)
                axis.set_ylim(LOWEST_GAIN - 0.1, HIGHEST_GAIN)
                axis.set_xlim(0, 1.05 * max(last_s, 1.0))
                axis.grid(color="#e6e6e6", linewidth=0.7)
                if line == 0:
                    axis.set_title(case, fontweight="bold")
                if column == 0:
                    axis.set_ylabel(f"{GAINS[gain]}")
                if line == len(GAINS) - 1:
                    axis.set_xlabel("CPU-seconds of training")
        handles, names = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=max(min(len(names), 3), 1), frameon=False)
        figure.suptitle("Gain over the untouched plate\ndashed: the plate, dotted: the truth, ▼: lower than shown")
        figure.savefig(path, dpi=130)


def _draw_line(axis: Any, row: Mapping[str, Any], gain: str) -> None:
    points = [(stage["cpu_s"], stage["gains"][gain]) for stage in row["stages"] if stage["gains"][gain] is not None]
    colour, method = COLOURS.get(row["method"], "#000000"), row["method"]
    seconds = [second for second, _ in points]
    shown = [max(value, LOWEST_GAIN) for _, value in points]
    axis.plot(seconds, shown, color=colour, linewidth=1.8, label=method)
    for second, value, height in zip(seconds, [value for _, value in points], shown, strict=True):
        axis.plot(second, height, marker="v" if value < LOWEST_GAIN else "o", color=colour, markersize=5)


def write_sheet(path: Path, results: Mapping[str, Any], case: Case, output: Path) -> None:
    """Plate, truth, each method, and below each how far it is from the truth, for frames spread over the plate."""
    made = case_files(case, Silent())
    rows = [
        row
        for row in results["rows"]
        if row["case"] == case.name and row["method"] not in ("plate", "truth") and row["stages"]
    ]
    shown_rows = [("plate", made.plate, ""), ("truth", made.truth, "the ground truth")]
    for row in rows:
        last = row["stages"][-1]
        shown_rows.append(
            (
                row["method"],
                published_video(output, case, row["method"], len(row["stages"]) - 1),
                f"{last['cpu_s']:.0f} CPU-s" + (f", {last['images']:,} images" if last["images"] else ""),
            )
        )
    masks = [picture[..., 0] for picture in pictures(made.masks)]
    # From the middle of equal parts: a clip's first and last frames are seldom its most telling ones.
    chosen = [int((number + 0.5) * len(masks) / NUM_FRAMES) for number in range(NUM_FRAMES)]
    boxes = [_box(masks[index]) for index in chosen]
    columns = [(name, note, _tiles(pictured, chosen, boxes)) for name, pictured, note in shown_rows]
    truth = columns[1][2]

    width = LEFT_PX + len(columns) * (TILE_PX + GAP_PX)
    sheet = Image.new("RGB", (width, CAPTION_PX + 2 * NUM_FRAMES * (TILE_PX + GAP_PX)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(size=16), ImageFont.load_default(size=12)
    for column, (name, note, tiles) in enumerate(columns):
        left = LEFT_PX + column * (TILE_PX + GAP_PX)
        draw.text((left + 4, 6), name, fill=INK, font=large)
        draw.text((left + 4, 26), note, fill=FAINT, font=small)
        for number, (tile, right_tile) in enumerate(zip(tiles, truth, strict=True)):
            top = CAPTION_PX + 2 * number * (TILE_PX + GAP_PX)
            sheet.paste(Image.fromarray(tile), (left, top))
            sheet.paste(Image.fromarray(_difference(tile, right_tile)), (left, top + TILE_PX + GAP_PX))
    for number, index in enumerate(chosen):
        top = CAPTION_PX + 2 * number * (TILE_PX + GAP_PX)
        draw.text((8, top + 6), f"frame {index}", fill=INK, font=small)
        draw.multiline_text(
            (8, top + TILE_PX + GAP_PX + 6), f"distance\nto truth,\n{DIFFERENCE_GAIN:g}-fold", fill=FAINT, font=small
        )
    sheet.save(path)


def write_overview(path: Path, cases: Sequence[Case], method: str, stage: int, output: Path) -> None:
    """One frame of each case side by side: plate, result and truth below each other."""
    step = OVERVIEW_TILE_PX + GAP_PX
    sheet = Image.new("RGB", (LEFT_PX + len(cases) * step, 3 * step), BACKGROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=16)
    for line, caption in enumerate(("plate", "result:\nAI modified", "ground\ntruth")):
        draw.multiline_text((8, line * step + 8), caption, fill=INK, font=font)
    for column, case in enumerate(cases):
        made = case_files(case, Silent())
        masks = [picture[..., 0] for picture in pictures(made.masks)]
        # The largest face: nearest to the camera, or least turned away.
        index = int(np.argmax([(mask > 127).sum() for mask in masks]))
        for line, source in enumerate((made.plate, published_video(output, case, method, stage), made.truth)):
            (tile,) = _tiles(source, [index], [_box(masks[index])], OVERVIEW_TILE_PX)
            sheet.paste(Image.fromarray(tile), (LEFT_PX + column * step, line * step))
    sheet.save(path, quality=92)


def write_farthest(path: Path, results: Mapping[str, Any], cases: Sequence[Case], method: str, output: Path) -> None:
    """The frames of all cases in which a method's result is furthest from the truth: plate, result, truth, figures."""
    rows = {row["case"]: row for row in results["rows"] if row["method"] == method and row["stages"]}
    far = [(frame, case) for case, row in rows.items() for frame in row["stages"][-1]["farthest"]]
    far = sorted(far, key=lambda each: -each[0]["unseen_perceptual"])[:NUM_FARTHEST]
    step = TILE_PX + GAP_PX
    sheet = Image.new("RGB", (3 * step + NOTE_PX, CAPTION_PX + len(far) * step), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    large, small = ImageFont.load_default(size=16), ImageFont.load_default(size=12)
    for column, caption in enumerate(("plate", method, "truth")):
        draw.text((column * step + 4, 12), caption, fill=INK, font=large)
    for case in cases:
        lines = {frame["index"]: line for line, (frame, name) in enumerate(far) if name == case.name}
        if not lines:
            continue
        chosen, made = sorted(lines), case_files(case, Silent())
        masks = [picture[..., 0] for picture in pictures(made.masks)]
        boxes = [_box(masks[index]) for index in chosen]
        result = published_video(output, case, method, len(rows[case.name]["stages"]) - 1)
        for column, source in enumerate((made.plate, result, made.truth)):
            for index, tile in zip(chosen, _tiles(source, chosen, boxes), strict=True):
                sheet.paste(Image.fromarray(tile), (column * step, CAPTION_PX + lines[index] * step))
    for line, (frame, name) in enumerate(far):
        landmarks = frame["landmarks_pct"]
        note = [
            f"{name}, frame {frame['index']}",
            f"perceptual, unseen net {frame['unseen_perceptual']:.2f}",
            "no face found" if landmarks is None else f"landmarks {landmarks:.1f}%",
            f"light {frame['light']:.1f}",
            f"seam {frame['seam']:.2f}",
            f"sharpness {frame['sharpness']:.2f}",
        ]
        place = (3 * step + 8, CAPTION_PX + line * step + 8)
        draw.multiline_text(place, "\n".join(note), fill=FAINT, font=small, spacing=8)
    sheet.save(path)


def _tiles(
    pictured: Path, chosen: Sequence[int], boxes: Sequence[tuple[int, int, int, int]], tile_px: int = TILE_PX
) -> list[Rgb]:
    """The face's neighbourhood in each of the chosen frames."""
    wanted = dict(zip(chosen, boxes, strict=True))
    tiles = []
    for index, rgb in enumerate(pictures(pictured)):
        if index in wanted:
            left, top, right, bottom = wanted[index]
            size = (tile_px, tile_px)
            tiles.append(np.asarray(cv2.resize(rgb[top:bottom, left:right], size, interpolation=cv2.INTER_CUBIC)))
    return tiles


def _difference(one: Rgb, other: Rgb) -> Rgb:
    error: Float32[np.ndarray, "H W 3"] = np.abs(one.astype(np.float32) - other.astype(np.float32))
    return np.clip(error * DIFFERENCE_GAIN, 0, 255).astype(np.uint8)


def _box(mask: UInt8[np.ndarray, "H W"]) -> tuple[int, int, int, int]:
    """A square around the face, within the frame."""
    rows, columns = np.nonzero(mask > 127)
    height, width = mask.shape
    if not len(rows):
        return 0, 0, width, height
    side = round((1 + 2 * MARGIN) * max(np.ptp(rows), np.ptp(columns)))
    side = min(side, width, height)
    left = int(np.clip((columns.min() + columns.max() - side) // 2, 0, width - side))
    top = int(np.clip((rows.min() + rows.max() - side) // 2, 0, height - side))
    return left, top, left + side, top + side
