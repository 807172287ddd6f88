"""Make `docs/actors_few.webp`: four actors, and the first one's face on the fourth one's performance, by Cycles.

Needs Blender (`countenance actors setup`); about two minutes of one core.

    .venv/bin/python tools/make_actors_picture.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

from countenance.actors.actor import draw_actor
from countenance.actors.figure import build_figure, build_truth, pose_figure
from countenance.actors.performance import still
from countenance.actors.render import opened_renderer
from countenance.actors.scene import Camera, Lamp, Light, Shot

OUTPUT = Path(__file__).parents[1] / "docs/actors_few.webp"
SIZE, SAMPLES = 320, 16
LIKENESS, PERFORMER, OTHERS = 23, 2, (7, 13)
SHOT = Shot(
    num_frames=1,
    light=Light(
        environment="interior",
        turn_deg=40.0,
        strength=0.8,
        lamps=(Lamp(azimuth_deg=-35.0, elevation_deg=30.0, power_w=7.0, size_m=0.5, rgb=(1.0, 0.95, 0.9)),),
    ),
    camera=Camera(frame_m=0.3),
)
SMILE = {"mouthSmile": 0.6, "cheekSquint": 0.4, "mouthUpperUp": 0.3}


def main() -> None:
    smile = {f"{name}{side}": weight for name, weight in SMILE.items() for side in ("Left", "Right")} | {"jawOpen": 0.1}
    likeness, performer = draw_actor(LIKENESS), draw_actor(PERFORMER)
    posed = [
        (build_figure(likeness, "full"), still(-12.0, 2.0, 0.0, smile)),
        (build_figure(draw_actor(OTHERS[0]), "full"), still(10.0)),
        (build_figure(draw_actor(OTHERS[1]), "full"), still(-20.0, -3.0, 4.0)),
        (build_figure(performer, "full"), still(18.0, 0.0, 0.0, smile)),
        (build_truth(likeness, performer, "performer", "full"), still(18.0, 0.0, 0.0, smile)),
    ]
    pictures = []
    with opened_renderer("cycles", samples=SAMPLES) as renderer:
        for figure, performance in posed:
            renderer.load(figure)
            picture = renderer.draw(pose_figure(figure, performance, 0), SHOT, SIZE)
            assert picture is not None
            pictures.append(picture)
    Image.fromarray(np.hstack(pictures)).save(OUTPUT, quality=86, method=6)


if __name__ == "__main__":
    main()
