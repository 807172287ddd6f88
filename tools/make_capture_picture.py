"""Make `docs/capture.jpg`: an actor as rendered and as five cameras filmed them, each a frame of a moving clip.

About a minute of one core.

    .venv/bin/python tools/make_capture_picture.py
"""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.figure import build_figure
from countenance.actors.performance import FRAME_RATE, draw_performance
from countenance.actors.render import detail_of, opened_renderer, render_loaded
from countenance.actors.staging import draw_scene
from countenance.capture.film import film_frames
from countenance.capture.presets import draw_capture
from countenance.capture.settings import CaptureKind

OUTPUT = Path(__file__).parents[1] / "docs/capture.jpg"
ACTOR, PERFORMANCE, SCENE = 13, 12, 28
SIZE, SHOWN, NUM_FRAMES = 384, 320, 12
CAPTURES: tuple[tuple[CaptureKind, int], ...] = (
    ("cinema", 2),
    ("broadcast", 4),
    ("phone", 3),
    ("webcam", 6),
    ("archive", 5),
)
QUALITY = 93


def main() -> None:
    caster = Caster(build_figure(draw_actor(ACTOR), detail_of("caster", SIZE)))
    performance, scene = draw_performance(PERFORMANCE, 60), draw_scene(SCENE, 60)
    with opened_renderer("caster") as renderer:
        frames = list(
            render_loaded(
                caster, performance, scene, renderer, size=SIZE, frames=range(20, 20 + NUM_FRAMES), with_motion=True
            )
        )
    rendered = [frame.rgb for frame in frames]
    motion = [frame.motion_xy for frame in frames if frame.motion_xy is not None]
    shown = [("as rendered", rendered[-1])]
    for kind, seed in CAPTURES:
        filmed = film_frames(rendered, draw_capture(seed, kind), frame_rate=Fraction(FRAME_RATE), motion=motion)
        shown.append((kind, list(filmed)[-1]))
    tiles = [labelled(rgb, name) for name, rgb in shown]
    sheet = np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])
    cv2.imwrite(str(OUTPUT), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    print(f"{OUTPUT}: {OUTPUT.stat().st_size / 1000:.0f} kB")


def labelled(rgb: np.ndarray, name: str) -> np.ndarray:
    """The middle at full size, with its camera's name."""
    edge = (SIZE - SHOWN) // 2
    tile = rgb[edge : edge + SHOWN, edge : edge + SHOWN].copy()
    tile[-24:, : 16 + 9 * len(name)] = 0
    cv2.putText(tile, name, (8, SHOWN - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
