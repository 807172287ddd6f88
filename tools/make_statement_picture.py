"""Make `docs/statement.jpg`: what two rendered actors answer to a challenge, and a code that was laid over the picture.

.venv/bin/python tools/make_statement_picture.py
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from countenance.faces.statement import judge_statement
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.code import CodeReader
from tests.support.statement import CHALLENGE, FOLDER, LATER, Rgb, pasted, seen, template

PICTURE = Path(__file__).parents[1] / "docs" / "statement.jpg"
SIDE, STRIP = 300, 34
WHITE, INK, REFUSED = (255, 255, 255), (32, 33, 36), (176, 32, 32)


def main() -> None:
    rows = [row_of(name) for name in ("bo", "lee")]
    read, frames = CodeReader(), pictures_of("bo")
    rgb, code = next((rgb, code) for rgb in frames if (code := read(rgb)) is not None)
    rows[1][-1] = titled(pasted(rgb, LATER.code, code.corners_xy), "a code laid over: refused", REFUSED)
    Image.fromarray(np.vstack([np.hstack(row) for row in rows])).save(PICTURE, quality=88)


def row_of(name: str) -> list[Rgb]:
    """An actor who looks ahead, and at the middle of each turn."""
    found, frames = seen(name), pictures_of(name)
    made = judge_statement(found, CHALLENGE.code, CHALLENGE.turns, template(name), []).turns
    times = np.array([moment.time_s for moment in found.moments])
    middles = [int(np.abs(times - (turn.begins_s + turn.ends_s) / 2).argmin()) for turn in made]
    words = ["looks ahead", *(f"{number}. {turn.turn}" for number, turn in enumerate(made, 1))]
    return [titled(frames[index], text) for index, text in zip([1, *middles], words, strict=True)]


def pictures_of(name: str) -> list[Rgb]:
    return [frame.rgb for frame in read_frames(probe(FOLDER / f"{name}.mp4"))]


def titled(rgb: Rgb, words: str, colour: tuple[int, int, int] = INK) -> Rgb:
    picture = Image.new("RGB", (SIDE, SIDE + STRIP), WHITE)
    picture.paste(Image.fromarray(rgb).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (0, 0))
    font = ImageFont.load_default(size=20)
    ImageDraw.Draw(picture).text((SIDE / 2, SIDE + STRIP / 2), words, fill=colour, font=font, anchor="mm")
    return np.asarray(picture)


if __name__ == "__main__":
    main()
