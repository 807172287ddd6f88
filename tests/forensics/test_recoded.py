from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from jaxtyping import UInt8

from countenance.forensics.recoded import Footprint, earlier_encoding, read_footprint, seen_in_footprint
from tests.support.videos import write_video

Rgb = UInt8[np.ndarray, "H W 3"]
GROUP = 20
FIRST = {"crf": "28", "preset": "veryfast", "sc_threshold": "0"}
THEN = {"crf": "18", "preset": "veryfast"}


def on_a_stand(num_frames: int = 120) -> list[Rgb]:
    """A textured picture as a camera on a stand sees it: a disc moves before it, and there is grain."""
    random = np.random.default_rng(5)
    texture = np.full((240, 400), 128, np.float32)
    for side in (30, 90):
        part = random.normal(0, 25, (240 // side + 2, 400 // side + 2)).astype(np.float32)
        texture += cv2.resize(part, (400, 240), interpolation=cv2.INTER_CUBIC)
    frames = []
    for index in range(num_frames):
        frame = texture[:176, :320].copy()
        cv2.circle(frame, (160 + int(90 * np.sin(index / 21)), 88), 30, 190, -1, cv2.LINE_AA)
        frame += random.normal(0, 2, frame.shape)
        frames.append(np.asarray(np.clip(frame, 0, 255), np.uint8)[..., None].repeat(3, axis=2))
    return frames


def decoded(path: Path) -> Iterator[Rgb]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recoded") / "once.mp4"
    return write_video(path, on_a_stand(), encoder=FIRST, gop_size=GROUP)


def test_an_earlier_encoding_is_found_with_its_group(once: Path, tmp_path: Path) -> None:
    twice = write_video(tmp_path / "twice.mp4", decoded(once), encoder=THEN, bframes=2)
    footprint = read_footprint(twice)
    assert footprint is not None
    found = earlier_encoding(footprint)
    assert found is not None
    assert found.group == GROUP
    (said,) = seen_in_footprint(twice).noticed
    assert said.startswith("About every 20 frames (0.8 s)")


@pytest.mark.parametrize("bframes", [0, 2])
def test_a_clip_that_was_encoded_once_shows_nothing(once: Path, tmp_path: Path, bframes: int) -> None:
    plain = write_video(tmp_path / "plain.mp4", on_a_stand(), encoder=THEN, bframes=bframes)
    for path in (once, plain):
        assert seen_in_footprint(path).noticed == ()


def test_other_codecs_are_said_not_to_be_looked_at(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.webm", on_a_stand(4), codec="libvpx-vp9", encoder={"deadline": "realtime"})
    seen = seen_in_footprint(path)
    assert seen.noticed == ()
    assert any("can't be seen in its codec" in limit for limit in seen.limits)


def test_rises_at_own_keyframes_are_no_earlier_encoding() -> None:
    shares, keys = np.full(120, 0.05), np.zeros(120, bool)
    keys[::15] = True
    shares[keys] = np.nan
    shares[1::15] = 0.9
    assert earlier_encoding(Footprint(unpredicted=shares, is_key=keys)) is None
    # The same rises away from keyframes are one.
    keys[15:] = False
    found = earlier_encoding(Footprint(unpredicted=np.nan_to_num(shares, nan=0.05), is_key=keys))
    assert found is not None
    assert found.group == 15


def test_rises_at_odd_distances_are_no_earlier_encoding() -> None:
    shares, keys = np.full(120, 0.05), np.zeros(120, bool)
    shares[[9, 20, 50, 57, 81, 99, 110]] = 0.9
    assert earlier_encoding(Footprint(unpredicted=shares, is_key=keys)) is None


@pytest.mark.parametrize("num_frames", [0, 1, 5, 30])
def test_short_clips_show_nothing(num_frames: int) -> None:
    footprint = Footprint(unpredicted=np.full(num_frames, 0.1), is_key=np.zeros(num_frames, bool))
    assert earlier_encoding(footprint) is None
