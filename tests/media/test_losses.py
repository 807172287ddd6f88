from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.media.losses import PlannedOutput, losses
from countenance.media.probe import probe
from countenance.media.writer import planned_output
from tests.support.videos import MakeVideo, noise, write_video

EVERYTHING = PlannedOutput(
    bit_depth=16, chroma_step_wh=(1, 1), has_alpha=True, has_even_sides=False, metadata=frozenset({"EXIF", "XMP"})
)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "expected"),
    [
        ("libx264", "yuv420p", []),
        ("libx264", "yuv420p10le", ["has 10 bits a channel, the result has 8"]),
        ("libx264", "yuv422p", ["keeps colour at 4:2:2, the result at 4:2:0"]),
        ("ffv1", "yuv444p", ["keeps colour at 4:4:4, the result at 4:2:0"]),
        ("ffv1", "gray", []),
        (
            "prores_ks",
            "yuva444p10le",
            [
                "has 12 bits a channel, the result has 8",
                "keeps colour at 4:4:4, the result at 4:2:0",
                "has transparency, the result has none: transparent parts become opaque",
            ],
        ),
    ],
)
def test_each_loss_of_a_video_is_a_line(tmp_path: Path, codec: str, pixel_format: str, expected: list[str]) -> None:
    path = write_video(
        tmp_path / "plate.mov" if codec == "prores_ks" else tmp_path / "plate.mkv",
        noise(2, (64, 64)),
        codec=codec,
        pixel_format=pixel_format,
        encoder={},
    )
    plate = probe(path)
    assert list(losses(plate, planned_output(".mp4"))) == [f"{path.name} {line}" for line in expected]
    assert losses(plate, EVERYTHING) == ()


def test_odd_sides_and_pixels_that_are_not_square_are_reported(make_video: MakeVideo) -> None:
    plate = replace(probe(make_video(pts=(0,))), resolution_wh=(97, 65))
    (line,) = losses(plate, planned_output(".mp4"))
    assert line == "plate.mp4 is 97×65; the result is 98×66, with the last column or row repeated"
    wide = probe(make_video("wide.mp4", pts=(0,), pixel_aspect=2))
    (line,) = losses(wide, planned_output(".mp4"))
    assert line == "wide.mp4 has pixels that aren't square; the result has square ones, 192×64"


def test_each_loss_of_an_image_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "cutout.png"
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    Image.fromarray(np.full((8, 9, 4), 128, np.uint8)).save(path, exif=exif)
    plate = probe(path)
    assert losses(plate, planned_output(".png")) == (
        "cutout.png has transparency, the result has none: transparent parts are shown on white",
        "cutout.png has EXIF that the result doesn't keep",
    )
    assert losses(plate, EVERYTHING) == ()
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((8, 8), 30000, np.uint16)).save(deep)
    assert losses(probe(deep), planned_output(".png")) == ()
    assert losses(probe(deep), planned_output(".jpg")) == ("deep.png has 16 bits a channel, the result has 8",)
