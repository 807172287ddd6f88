from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from countenance.composite import render as render_module
from countenance.composite.cover import Cover, draw_cover
from countenance.composite.disguise import Disguise
from countenance.composite.heads import head_of
from countenance.composite.held import Held, HeldFrame
from countenance.composite.place import PlacedFace
from countenance.composite.render import SwapRender, frames_render, preview_size, swap_render
from countenance.composite.shot import ShotConfig
from countenance.demo import data_folder
from countenance.media.excerpt import excerpt_of
from countenance.media.probe import probe
from countenance.media.timeline import Timeline, read_timeline
from countenance.progress import Silent
from countenance.types import MediaInfo, Render
from countenance.vision.segment import Segmenter
from tests.support.drawers import Negative
from tests.support.made_up import mesh_at

SEGMENTER = Segmenter()
FACES = {2: [PlacedFace(track=0, landmarks_xyz=mesh_at(128, 128))]}


def held_at(index: int, sha256: str, path: Path = Path("painted.png")) -> Held:
    """A held frame in which all may be painted."""
    frame = HeldFrame(index=index, pair=("dana", "kim"), path=path, sha256=sha256)
    return Held(faces={index: {0: frame}}, ignored={index: np.zeros((256, 256), bool)}, check=lambda *_: None)


@pytest.fixture(scope="module")
def plate() -> tuple[MediaInfo, Timeline]:
    info = probe(data_folder() / "performance.mp4")
    return info, read_timeline(info, Silent())


def swap_made(plate: tuple[MediaInfo, Timeline], renders: Path = Path("renders"), **changes: object) -> SwapRender:
    values = {
        "faces_at": FACES,
        "drawer": Negative(),
        "segmenter": SEGMENTER,
        "tints": {},
        **changes,
    }
    return swap_render(*plate, renders=renders, seed=1, **values)  # type: ignore[arg-type]


def made(plate: tuple[MediaInfo, Timeline], renders: Path = Path("renders"), **changes: object) -> Render:
    return swap_made(plate, renders, **changes).render


def test_the_render_carries_the_drawers_digest_and_which_frames_are_altered(plate: tuple[MediaInfo, Timeline]) -> None:
    render = made(plate)
    assert render.model_digest == "negative"
    assert [index for index, altered in enumerate(render.altered) if altered] == [2]
    assert len(render.altered) == plate[0].num_frames


def test_its_name_changes_with_everything_that_changes_the_frames(
    plate: tuple[MediaInfo, Timeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    other_runtime = Segmenter()
    other_runtime.ran_by = "another"
    other_model, moved = Negative(), FACES[2][0].landmarks_xyz + np.float32(0.01)
    other_model.digest = "another"
    info, timeline = plate
    renders = [
        made(plate),
        made(plate, drawer=other_model),
        made(plate, segmenter=other_runtime),
        made(plate, drawer=Negative(size=128)),
        made(plate, drawer=Negative(batch=2)),
        made(plate, tints={0: np.array([0, 1, 0], np.float32)}),
        made(plate, looks={2: ShotConfig(grow=0.01)}),
        made(plate, faces_at={3: FACES[2]}),
        made(plate, faces_at={2: [PlacedFace(track=1, landmarks_xyz=FACES[2][0].landmarks_xyz)]}),
        made(plate, faces_at={2: [PlacedFace(track=0, landmarks_xyz=moved)]}),
        made(plate, faces_at={2: [replace(FACES[2][0], presence=0.5)]}),
        made(plate, grain=0.5),
        made(plate, covers_at={2: [Cover(head=head_of(FACES[2][0].landmarks_xyz))]}),
        made(plate, held=held_at(2, "ab" * 32)),
        made(plate, held=held_at(2, "cd" * 32)),
        made((replace(info, sha256="ab" * 32), timeline)),
    ]
    monkeypatch.setattr(render_module, "VERSION", render_module.VERSION + 1)
    renders.append(made(plate))
    assert len({render.work_folder for render in renders}) == len(renders)
    monkeypatch.undo()
    # What is set where no face is decides nothing.
    assert made(plate, looks={3: ShotConfig(grow=0.01)}).work_folder == renders[0].work_folder
    assert made(plate).work_folder == renders[0].work_folder


def test_frames_from_anywhere_are_those_of_the_whole(plate: tuple[MediaInfo, Timeline], tmp_path: Path) -> None:
    faces = {index: FACES[2] for index in range(20) if index != 9}
    render = made(plate, tmp_path, faces_at=faces, drawer=Negative(batch=4))
    whole = {frame.index: frame.rgb for frame in render.frames_from(0)}
    assert list(whole) == list(range(plate[0].num_frames))
    for first in (3, 13):
        for frame, _ in zip(render.frames_from(first), range(4), strict=False):
            assert np.array_equal(frame.rgb, whole[frame.index])


def test_covered_frames_are_altered_ones(plate: tuple[MediaInfo, Timeline], tmp_path: Path) -> None:
    cover = Cover(head=head_of(FACES[2][0].landmarks_xyz))
    render = made(plate, tmp_path, covers_at={5: [cover]})
    assert [index for index, altered in enumerate(render.altered) if altered] == [2, 5]
    before, after = (next(iter(each.frames_from(5))).rgb for each in (made(plate, tmp_path), render))
    assert np.array_equal(after, draw_cover(before, cover))


def test_with_a_held_frame_frames_from_anywhere_are_those_of_the_whole(
    plate: tuple[MediaInfo, Timeline], tmp_path: Path
) -> None:
    """The frame is held exactly, and carried to the frames before and after it, wherever a render starts or ends."""
    faces = dict.fromkeys(range(40), FACES[2])
    (drawn,) = (frame.rgb for frame in made(plate, tmp_path, faces_at=faces).frames_from(12) if frame.index == 12)
    painted = drawn.copy()
    painted[120:136, 120:136] = (250, 20, 20)
    Image.fromarray(painted).save(tmp_path / "painted.png")
    held = held_at(12, probe(tmp_path / "painted.png").sha256, tmp_path / "painted.png")
    looks = {index: ShotConfig(held_s=0.25) for index in range(40)}
    values = {"faces_at": faces, "held": held, "looks": looks}
    plain = [frame.rgb for frame in made(plate, tmp_path, faces_at=faces, looks=looks).frames_from(0)]
    whole = [frame.rgb for frame in made(plate, tmp_path, **values).frames_from(0)]
    assert np.array_equal(whole[12][120:136, 120:136], painted[120:136, 120:136])
    changes = [float(np.abs(one.astype(int) - other).mean()) for one, other in zip(plain, whole, strict=True)]
    assert [index for index, change in enumerate(changes) if change] == list(range(7, 18))
    for first in (9, 12, 14):
        assert np.array_equal(next(iter(made(plate, tmp_path, **values).frames_from(first))).rgb, whole[first])
    part = made(plate, tmp_path, **values, excerpt=excerpt_of(*plate, range(14, 16)))
    assert [np.array_equal(frame.rgb, whole[frame.index]) for frame in part.frames_from(14)] == [True, True]


def test_a_frame_that_is_held_as_it_was_published_stays_so_under_a_cover_and_with_a_halo(
    plate: tuple[MediaInfo, Timeline], tmp_path: Path
) -> None:
    marks = {
        "covers_at": {2: [Cover(head=head_of(FACES[2][0].landmarks_xyz), strength=0.5)]},
        "disguise": Disguise(halo=0.8),
    }
    (published,) = (frame.rgb for frame in made(plate, tmp_path, **marks).frames_from(2) if frame.index == 2)
    Image.fromarray(published).save(tmp_path / "approved.png")
    held = held_at(2, probe(tmp_path / "approved.png").sha256, tmp_path / "approved.png")
    assert np.array_equal(next(iter(made(plate, tmp_path, **marks, held=held).frames_from(2))).rgb, published)


def test_frames_of_another_origin_have_a_name_too(plate: tuple[MediaInfo, Timeline]) -> None:
    info, _ = plate
    one, other = (
        frames_render(info, made(plate).frames_from, (True,), renders=Path("renders"), digest=digest, seed=1)
        for digest in ("a", "b")
    )
    assert one.work_folder != other.work_folder
    assert one.model_digest == "a"


def test_what_is_hidden_is_remembered_across_interruptions(plate: tuple[MediaInfo, Timeline], tmp_path: Path) -> None:
    faces = dict.fromkeys((0, 1, 2, 30), FACES[2])
    swap = swap_made(plate, tmp_path, faces_at=faces)
    for _ in zip(swap.render.frames_from(0), range(3), strict=False):
        pass
    assert set(swap.hidden.fraction_at) == {0, 1, 2}
    path = swap.render.work_folder / "hidden.jsonl"
    path.write_text(path.read_text() + "[30, 0.")
    resumed = swap_made(plate, tmp_path, faces_at=faces)
    assert set(resumed.hidden.fraction_at) == {0, 1, 2}
    list(resumed.render.frames_from(20))
    assert set(resumed.hidden.fraction_at) == {0, 1, 2, 30}


def test_the_frames_of_an_excerpt_are_those_of_the_whole(plate: tuple[MediaInfo, Timeline], tmp_path: Path) -> None:
    faces = {index: FACES[2] for index in range(40) if index != 9}
    whole = made(plate, tmp_path, faces_at=faces, drawer=Negative(batch=4))
    excerpt, drawer = excerpt_of(*plate, range(6, 17)), Negative(batch=4)
    part = made(plate, tmp_path, faces_at=faces, drawer=drawer, excerpt=excerpt)
    frames = list(part.frames_from(6))
    assert [frame.index for frame in frames] == list(range(6, 17))
    for frame, expected in zip(frames, whole.frames_from(6), strict=False):
        assert np.array_equal(frame.rgb, expected.rgb)
    assert part.altered == tuple(index != 9 for index in range(6, 17))
    assert part.frames == range(6, 17)
    # As many as neighbours in time and in a batch need, and no more.
    assert sum(len(call) for call in drawer.calls) == 23


def test_a_part_and_a_preview_have_names_of_their_own(plate: tuple[MediaInfo, Timeline]) -> None:
    whole = range(plate[0].num_frames)
    parts = [None, *(excerpt_of(*plate, frames) for frames in (range(2, 4), range(1, 3), range(2, 5), whole))]
    renders = [made(plate, excerpt=part) for part in parts] + [made(plate, preview_wh=(64, 64))]
    assert len({render.work_folder for render in renders}) == len(renders)


def test_a_preview_is_small_and_of_the_plate_s_shape(plate: tuple[MediaInfo, Timeline], tmp_path: Path) -> None:
    info, _ = plate
    sizes = {(1920, 1080): (960, 540), (1080, 1921): (304, 540), (256, 256): (256, 256), (641, 361): (640, 360)}
    for size_wh, expected in sizes.items():
        assert preview_size(replace(info, resolution_wh=size_wh)) == expected
    small, full = (next(made(plate, tmp_path, preview_wh=size).frames_from(2)) for size in ((64, 64), None))
    assert small.pixels.shape == (64, 64, 3)
    assert np.abs(small.pixels - cv2.resize(full.pixels, (64, 64), interpolation=cv2.INTER_AREA).astype(int)).max() == 0
