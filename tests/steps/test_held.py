"""An artist's frame goes out as a marked picture, comes back painted, and the render holds to it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.composite.held import HeldFrame
from countenance.consent.permit import grant
from countenance.errors import ConsentError, UsageError
from countenance.media.excerpt import Wanted
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust
from countenance.provenance.label import box_of_label
from countenance.steps.documents import shots_document
from countenance.steps.forget import forget_without_consent
from countenance.steps.shots import hold_frames, list_shots
from countenance.steps.verify import verify
from tests.support.production import LABELLED, LIKENESS, PERFORMER, STRANGER, Production
from tests.support.recorder import Recorder
from tests.support.videos import Rgb, clip_of, frames_of, write_video

pytestmark = pytest.mark.usefixtures("unmarked")

NUM_FRAMES, KEY = 12, 4
CONFIG = replace(LABELLED, model="base", preset="draft", quality=4)
CHEEK = np.s_[125:140, 100:118]
"""A patch of the face, in the demo's performance."""
FACE = np.s_[60:190, 70:190]


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", NUM_FRAMES))


def hold(production: Production, plate: Path, frames: list[tuple[int, Path]]) -> list[HeldFrame]:
    permit = grant(production.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    return hold_frames(production.project, plate, permit, frames)


def pictures(path: Path) -> list[Rgb]:
    return [frame.rgb for frame in read_frames(probe(path))]


def exported(production: Production, plate: Path, name: str, frame: int = KEY) -> Path:
    output = plate.parent / name
    production.generate(plate, output, CONFIG, wanted=Wanted(frames=str(frame)))
    return output


def painted(exported: Path, output: Path) -> Path:
    """A scar on the cheek; and, which must not count, the whole surroundings and the label painted over."""
    (rgb,) = pictures(exported)
    work = np.full_like(rgb, 255)
    work[FACE] = rgb[FACE]
    work[CHEEK] = (150, 60, 50)
    Image.fromarray(work).save(output)
    return output


def test_one_frame_is_published_as_a_picture_like_any_other_file(trained: Production, plate: Path) -> None:
    picture = exported(trained, plate, "frame.png")
    (rgb,) = pictures(picture)
    assert rgb.shape == pictures(plate)[KEY].shape
    claim = read_credentials(picture, find_trust()).claim
    assert claim is not None
    assert (claim.num_frames, claim.first_frame, claim.num_plate_frames) == (1, KEY, NUM_FRAMES)
    assert claim.label == "shown"
    (corner,) = claim.label_corners
    height, width = rgb.shape[:2]
    left, top, right, bottom = np.round(np.multiply(box_of_label((width, height), corner), [width, height] * 2))
    label = np.s_[int(top) : int(bottom), int(left) : int(right)]
    assert np.abs(rgb[label].astype(int) - pictures(plate)[KEY][label]).max() > 60
    states = {each.about: each.state for each in verify(picture, trained.project).report.findings}
    assert (states["credentials"], states["log"], states["edits"]) == ("trusted", "valid", "trusted")


@pytest.mark.parametrize("frames", [None, f"{KEY}:{KEY + 1}"])
def test_more_than_one_frame_is_no_picture(trained: Production, plate: Path, frames: str | None) -> None:
    with pytest.raises(UsageError, match=r"from a video comes one of \.mp4, \.mov, got shot\.png"):
        trained.generate(plate, plate.parent / "shot.png", CONFIG, wanted=Wanted(frames=frames))


def test_the_render_holds_to_what_was_painted_and_carries_it_along(trained: Production, plate: Path) -> None:
    trained.generate(plate, plate.parent / "before.mp4", CONFIG)
    first = exported(trained, plate, "frame.png")
    work = painted(first, plate.parent / "painted.png")
    (frame,) = hold(trained, plate, [(KEY, work)])
    found = list_shots(trained.project, plate, Silent())
    assert [shot.held for shot in found.shots] == [(frame,)]
    assert shots_document(found)["shots"][0]["held_frames"] == [
        {"frame": KEY, "likeness": LIKENESS, "performer": PERFORMER}
    ]

    again = exported(trained, plate, "again.png")
    (before,), (after,), (given,) = pictures(first), pictures(again), pictures(work)
    # Exactly what was painted in the face, and nothing of what was painted around it, or over the label.
    assert np.array_equal(after[CHEEK], given[CHEEK])
    beside = np.ones(before.shape[:2], bool)
    beside[30:230, 60:250] = False
    assert np.array_equal(after[beside], before[beside])
    claim = read_credentials(again, find_trust()).claim
    assert claim is not None
    assert claim.num_held_frames == 1
    (edits,) = [each for each in verify(again, trained.project).report.findings if each.about == "edits"]
    assert any("in 1 of these frames a face is as an artist painted" in reason for reason in edits.reasons)

    trained.generate(plate, plate.parent / "after.mp4", CONFIG)
    changes = [
        float(np.abs(one[CHEEK].astype(int) - other[CHEEK]).mean())
        for one, other in zip(pictures(plate.parent / "before.mp4"), pictures(plate.parent / "after.mp4"), strict=True)
    ]
    assert changes[KEY] == max(changes) > 15
    assert all(change > 0.5 * changes[KEY] for change in changes[KEY - 2 : KEY + 3])
    assert changes[KEY + 1] > changes[KEY + 4] > changes[KEY + 7] > 1
    # A part that doesn't hold the frame itself is that of the whole.
    trained.generate(plate, plate.parent / "part.mp4", CONFIG, wanted=Wanted(frames="6:7"))
    part = read_credentials(plate.parent / "part.mp4", find_trust()).claim
    assert part is not None
    assert part.num_held_frames == 2
    for one, other in zip(pictures(plate.parent / "part.mp4"), pictures(plate.parent / "after.mp4")[6:8], strict=True):
        assert np.abs(one.astype(int) - other).mean() < 1


def test_an_approved_frame_renders_as_it_was(trained: Production, plate: Path) -> None:
    first = exported(trained, plate, "frame.png")
    hold(trained, plate, [(KEY, first)])
    assert np.array_equal(pictures(exported(trained, plate, "again.png"))[0], pictures(first)[0])


def test_an_approved_frame_stays_when_a_setting_changes(trained: Production, plate: Path) -> None:
    first = exported(trained, plate, "frame.png")
    hold(trained, plate, [(KEY, first)])
    trained.generate(
        plate, plate.parent / "soft.png", CONFIG, wanted=Wanted(frames=str(KEY)), shot_changes=["shot.sharpness=-1"]
    )
    assert np.array_equal(pictures(plate.parent / "soft.png")[0][CHEEK], pictures(first)[0][CHEEK])


def test_another_face_cannot_be_painted_in(trained: Production, plate: Path) -> None:
    stranger = plate.parent / "stranger.png"
    Image.fromarray(clip_of(STRANGER, 1)[0]).save(stranger)
    hold(trained, plate, [(KEY, stranger)])
    with pytest.raises(UsageError, match=r"isn't the one that was drawn in frame 4: they lie .* can't bring another"):
        trained.generate(plate, plate.parent / "shot.mp4", CONFIG)
    assert not (plate.parent / "shot.mp4").exists()


def test_the_performer_s_own_face_cannot_be_painted_back(trained: Production, plate: Path) -> None:
    """Mixed into the drawn face so that, by the distance from it alone, it would pass."""
    first = exported(trained, plate, "frame.png")
    drawn, own = pictures(first)[0].astype(float), pictures(plate)[KEY]
    Image.fromarray(np.rint(0.6 * drawn + 0.4 * own).astype(np.uint8)).save(plate.parent / "mixed.png")
    hold(trained, plate, [(KEY, plate.parent / "mixed.png")])
    with pytest.raises(UsageError, match=rf"isn't the one that was drawn .* lies 0\.\d+ nearer to {PERFORMER}"):
        trained.generate(plate, plate.parent / "shot.mp4", CONFIG)


def test_a_held_frame_in_which_nobody_is_replaced_is_left_out_with_a_note(trained: Production, plate: Path) -> None:
    (frame,) = hold(trained, plate, [(10, exported(trained, plate, "frame.png"))])
    (shot,) = list_shots(trained.project, plate, Silent()).shots
    shot.path.write_text("likeness = { 0 = 1.0, 7 = 1.0, 8 = 0.0 }")
    progress, output = Recorder(), plate.parent / "shot.png"
    trained.generate(plate, output, CONFIG, wanted=Wanted(frames=str(KEY)), progress=progress)
    assert f"{frame.path} isn't used: {PERFORMER}'s face isn't replaced in frame 10" in progress.notes
    claim = read_credentials(output, find_trust()).claim
    assert claim is not None
    assert claim.num_held_frames == 0


def test_held_frames_go_with_the_consent(trained: Production, plate: Path) -> None:
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate.parent / "painted.png")
    (frame,) = hold(trained, plate, [(KEY, plate.parent / "painted.png")])
    permit = grant(trained.project, "generate", likeness=LIKENESS, performer=PERFORMER)
    assert forget_without_consent(trained.project) == []
    assert frame.path.exists()
    trained.revoke(trained.release_of(PERFORMER))
    assert forget_without_consent(trained.project) == [(LIKENESS, PERFORMER)]
    assert not frame.path.exists()
    with pytest.raises(ConsentError):
        hold_frames(trained.project, plate, permit, [(KEY, plate.parent / "painted.png")])
    assert not frame.path.exists()


def test_one_frame_is_given_once(trained: Production, plate: Path) -> None:
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate.parent / "painted.png")
    with pytest.raises(UsageError, match="expected one picture of frame 4, got several"):
        hold(trained, plate, [(KEY, plate.parent / "painted.png")] * 2)


def test_of_several_frames_none_is_kept_where_one_is_wrong(trained: Production, plate: Path) -> None:
    good, small = plate.parent / "good.png", plate.parent / "small.png"
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(good)
    Image.fromarray(frames_of("performance.mp4", 1)[0][:100]).save(small)
    with pytest.raises(UsageError, match="expected 256×256 pixels"):
        hold(trained, plate, [(0, good), (1, small)])
    assert not list((trained.project.folder / "shots").rglob("*.png"))
