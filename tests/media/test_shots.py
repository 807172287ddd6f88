from pathlib import Path

import pytest

from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.media.shots import is_cut, thumbnail


@pytest.mark.parametrize(("clip", "cuts"), [("kofi_training", [60, 120, 180]), ("performance", [])])
def test_cuts_are_found_and_motion_is_none(demo_data: Path, clip: str, cuts: list[int]) -> None:
    found, before = [], None
    for frame in read_frames(probe(demo_data / f"{clip}.mp4")):
        after = thumbnail(frame.rgb)
        if before is not None and is_cut(before, after):
            found.append(frame.index)
        before = after
    assert found == cuts
