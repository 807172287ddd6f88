"""Contact sheets: many actors in one image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from countenance.actors.actor import draw_actor
from countenance.actors.footage import png
from countenance.actors.performance import draw_performance
from countenance.actors.render import DrawFigure, render
from countenance.actors.staging import draw_scene
from countenance.progress import Progress
from countenance.project import write_whole

CAPTION_HEIGHT = 20
Rgb = UInt8[np.ndarray, "_ _ 3"]


def actors_sheet(seeds: Sequence[int], renderer: DrawFigure, *, size: int, columns: int, progress: Progress) -> Rgb:
    """One picture of each actor, each in another pose, expression and light."""
    tiles = []
    for seed in progress.track(seeds, what="drawing actors", unit="actors", total=len(seeds)):
        actor = draw_actor(seed)
        performance = draw_performance(seed, 48)
        near = int(np.abs(performance.yaw_pitch_roll_deg[:, 0]).argmin())
        frame = next(render(actor, performance, draw_scene(seed, 48), renderer, size=size, frames=[near]))
        years = round(20 + 55 * actor.age)
        tiles.append(_captioned(frame.rgb, f"{seed} · {years} · {actor.hair.kind}"))
    return _grid(tiles, columns)


def write_sheet(path: Path, sheet: Rgb) -> None:
    """As PNG, whole."""
    write_whole(path, png(sheet))


def _captioned(rgb: Rgb, text: str) -> Rgb:
    strip = Image.new("RGB", (rgb.shape[1], CAPTION_HEIGHT), (24, 24, 24))
    font = ImageFont.load_default(size=12)
    ImageDraw.Draw(strip).text((6, CAPTION_HEIGHT // 2), text, fill=(235, 235, 235), font=font, anchor="lm")
    return np.vstack([rgb, np.asarray(strip)])


def _grid(tiles: Sequence[Rgb], columns: int) -> Rgb:
    columns = min(columns, len(tiles))
    empty = np.zeros_like(tiles[0])
    padded = [*tiles, *[empty] * (-len(tiles) % columns)]
    rows = [np.hstack(padded[begin : begin + columns]) for begin in range(0, len(padded), columns)]
    return np.vstack(rows)
