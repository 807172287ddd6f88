"""Make a clip with which statements are tested, `tests/data/statement/NAME.mp4`: an actor, as a phone films them.

    .venv/bin/python tools/make_statement_clips.py bo 7 6 12     # minutes: a second or more a frame
    .venv/bin/python tools/make_statement_clips.py lee 31 11 10

Name, the actor's seed, that of light and movements, and the phone's. Beside the clip a portrait is drawn. Both answer
the challenge of `tests/support/statement.py` to bo. The pictures as rendered are kept in a folder for temporary files,
so that other cameras can film them.

    .venv/bin/python tools/make_statement_clips.py bo 7 42 3 --portrait   # a second portrait

Two portraits in different light are nearer to a video than one.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure
from countenance.actors.footage import draw_portrait
from countenance.capture.presets import draw_capture
from tests.support.statement import CHALLENGE, FOLDER
from tools.statement.film import FRAME_RATE, Take, film, filmed

CACHE = Path(tempfile.gettempdir()) / "countenance-statement"
CRF = 24
PORTRAIT_SIZE = 256


def main() -> None:
    name, actor, seed, phone = sys.argv[1], *map(int, sys.argv[2:5])
    if sys.argv[5:] == ["--portrait"]:
        take = Take(actor=actor, seed=seed, turns=CHALLENGE.turns, code=None)
        pictures = [rgb for rgb, _ in film(take, range(2))]
        write_picture(FOLDER / f"{name}_portrait_2.png", list(filmed(pictures, draw_capture(phone, "phone")))[-1])
        return
    portrait = draw_portrait(Caster(build_figure(draw_actor(actor), "fine")), PORTRAIT_SIZE)
    write_picture(FOLDER / f"{name}_portrait.png", portrait)
    kept = CACHE / f"{name}-{actor}-{seed}.npz"
    if not kept.exists():
        take = Take(actor=actor, seed=seed, turns=CHALLENGE.turns, code=CHALLENGE.code)
        CACHE.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, rgb=np.stack([rgb for rgb, _ in film(take)]))
    with np.load(kept) as stored:
        pictures = list(stored["rgb"])
    write_clip(FOLDER / f"{name}.mp4", list(filmed(pictures, draw_capture(phone, "phone"))))


def write_picture(path: Path, rgb: np.ndarray) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def write_clip(path: Path, pictures: list[np.ndarray]) -> None:
    """As a messenger sends it on: encoded once more."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(FRAME_RATE), options={"crf": str(CRF)})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in pictures:
            container.mux(stream.encode(VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
