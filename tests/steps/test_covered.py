"""A disguise that can't draw a face covers the head: the witness is never shown for want of a mesh."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from countenance.composite.heads import follow_heads
from countenance.composite.place import PlacedFace, placed_faces
from countenance.consent.permit import grant_prepare
from countenance.errors import ConsentError, FaceError, UsageError
from countenance.faces.plate import require_performer
from countenance.faces.store import StoredFace, stored_faces
from countenance.media.excerpt import Wanted
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.progress import Silent
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust
from countenance.steps import places as places_module
from countenance.steps.documents import generated_document
from countenance.steps.recognise import recognise_performer
from countenance.steps.verify import verify
from tests.support.production import PERFORMER, STRANGER, UNLABELLED, Production
from tests.support.videos import Rgb, clip_of, frames_of, write_video

pytestmark = pytest.mark.usefixtures("unmarked")

NUM_FRAMES, LOST = 12, range(5, 8)
CONFIG = replace(UNLABELLED, model="base", preset="draft")
FACE = np.s_[70:170, 90:170]
"""Where a face is, in the 256 px of an actor's clip."""
CODEC_NOISE = 1.0


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", NUM_FRAMES))


@pytest.fixture
def losing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kofi's face is lost in the middle, and fades in the frame before."""

    def placed(*args: object, **kwargs: object) -> dict[int, list[PlacedFace]]:
        found = placed_faces(*args, **kwargs)  # type: ignore[arg-type]
        found[LOST.start - 1] = [replace(face, presence=0.5) for face in found[LOST.start - 1]]
        return {index: several for index, several in found.items() if index not in LOST}

    monkeypatch.setattr(places_module, "placed_faces", placed)


@pytest.fixture
def in_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle kofi's face is turned away so far that his mesh is poor."""

    def found(*args: Any, **kwargs: Any) -> list[StoredFace]:
        return [in_profile(face) if face.frame in LOST else face for face in require_performer(*args, **kwargs)]

    def in_profile(face: StoredFace) -> StoredFace:
        return replace(face, score=0.3, quality=replace(face.quality, yaw_pitch_roll_deg=(80.0, 0.0, 0.0)))

    monkeypatch.setattr(places_module, "require_performer", found)


def pictures(path: Path) -> list[Rgb]:
    return [frame.rgb for frame in read_frames(probe(path))]


def fine(rgb: Rgb) -> float:
    """How much two pixels beside each other differ in the face."""
    return float(np.abs(np.diff(rgb[FACE].astype(np.float32), axis=1)).mean())


@pytest.mark.usefixtures("losing")
def test_a_disguise_covers_what_it_cannot_draw_and_says_so(trained: Production, plate: Path, tmp_path: Path) -> None:
    result = trained.generate(plate, tmp_path / "shot.mp4", CONFIG, is_disguise=True)
    before, after = pictures(plate), pictures(tmp_path / "shot.mp4")
    covered = range(LOST.start - 1, LOST.stop)
    for index in covered:
        assert fine(after[index]) < 0.3 * fine(before[index])
        assert np.abs(after[index][-8:].astype(int) - before[index][-8:]).mean() < CODEC_NOISE
    assert fine(after[0]) > 0.5 * fine(before[0])
    assert (result.unaltered_spans, result.faded_spans) == ((), ())
    assert np.allclose(result.covered_spans, [(covered.start / 24, covered.stop / 24)])
    assert generated_document(result)["covered_spans_s"] == [list(result.covered_spans[0])]
    assert result.pairs[0].covered_spans == result.covered_spans
    assert result.published.num_altered_frames == result.pairs[0].num_altered_frames == NUM_FRAMES
    claim = read_credentials(tmp_path / "shot.mp4", find_trust()).claim
    assert claim is not None
    assert claim.num_covered_frames == len(covered)
    (edits,) = [
        each for each in verify(tmp_path / "shot.mp4", trained.project).report.findings if each.about == "edits"
    ]
    assert "in 4 of these frames a head is covered, because no face could be drawn" in edits.reasons


@pytest.mark.usefixtures("losing")
def test_who_is_no_disguise_is_not_covered_unless_that_is_asked_for(
    trained: Production, plate: Path, tmp_path: Path
) -> None:
    result = trained.generate(plate, tmp_path / "shot.mp4", CONFIG)
    assert result.covered_spans == ()
    assert np.allclose(result.unaltered_spans, [(LOST.start / 24, LOST.stop / 24)])
    before, after = pictures(plate), pictures(tmp_path / "shot.mp4")
    assert np.abs(after[6].astype(int) - before[6]).mean() < CODEC_NOISE
    assert trained.generate(plate, tmp_path / "all.mp4", replace(CONFIG, cover="all")).covered_spans


@pytest.mark.usefixtures("losing")
def test_a_part_shows_what_the_whole_shows_and_who_leaves_a_face_as_it_is(
    trained: Production, plate: Path, tmp_path: Path
) -> None:
    trained.generate(plate, tmp_path / "whole.mp4", CONFIG, is_disguise=True)
    part = trained.generate(plate, tmp_path / "part.mp4", CONFIG, wanted=Wanted(frames="6"), is_disguise=True)
    assert part.published.num_altered_frames == 1
    claim = read_credentials(tmp_path / "part.mp4", find_trust()).claim
    assert claim is not None
    assert (claim.num_performers, claim.num_covered_frames) == (1, 1)
    whole, alone = pictures(tmp_path / "whole.mp4")[6], pictures(tmp_path / "part.mp4")[0]
    assert np.abs(whole.astype(int) - alone).mean() < CODEC_NOISE
    folder = trained.project.folder / "shots" / f"plate-{probe(plate).sha256[:8]}"
    folder.mkdir(parents=True)
    (folder / "0001.toml").write_text("likeness = { 5 = 0.0, 6 = 0.0, 7 = 1.0 }\n")
    keyed = trained.generate(plate, tmp_path / "keyed.mp4", CONFIG, is_disguise=True)
    assert np.allclose(keyed.covered_spans, [(7 / 24, 8 / 24)])


@pytest.mark.usefixtures("in_profile")
def test_what_would_fade_is_covered_even_where_fades_are_set_off(
    trained: Production, plate: Path, tmp_path: Path
) -> None:
    config = replace(CONFIG, fade=False)
    assert trained.generate(plate, tmp_path / "swap.mp4", config).unaltered_spans == ()
    result = trained.generate(plate, tmp_path / "shot.mp4", config, is_disguise=True)
    (span,) = result.covered_spans
    assert span[0] <= LOST.start / 24 < LOST.stop / 24 <= span[1]
    before, after = pictures(plate), pictures(tmp_path / "shot.mp4")
    assert all(fine(after[index]) < 0.35 * fine(before[index]) for index in LOST)


@pytest.mark.usefixtures("losing")
def test_heads_are_followed_only_while_consent_lasts(
    trained: Production, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def revoked(*args: Any, **kwargs: Any) -> None:
        trained.revoke(trained.release_of(PERFORMER))
        follow_heads(*args, **kwargs)
        pytest.fail("it went on")

    monkeypatch.setattr(places_module, "follow_heads", revoked)
    with pytest.raises(ConsentError, match="revoked"):
        trained.generate(plate, tmp_path / "shot.mp4", CONFIG, is_disguise=True)


@pytest.mark.usefixtures("in_profile")
def test_a_disguise_that_can_be_drawn_nowhere_is_not_advised_to_go_without_fades(
    trained: Production, plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "LOST", range(NUM_FRAMES))
    for is_disguise in (False, True):
        with pytest.raises(FaceError, match="is turned away wherever they are") as raised:
            trained.generate(plate, tmp_path / "shot.mp4", CONFIG, is_disguise=is_disguise)
        assert ("generate.fade=false" in str(raised.value)) is not is_disguise


def test_a_disguise_is_not_mixed_with_who_is_below(trained: Production, plate: Path, tmp_path: Path) -> None:
    folder = trained.project.folder / "shots" / f"plate-{probe(plate).sha256[:8]}"
    folder.mkdir(parents=True)
    (folder / "0001.toml").write_text("likeness = { 6 = 1.0, 7 = 0.4 }\n")
    output = tmp_path / "shot.mp4"
    with pytest.raises(UsageError, match=r"kofi would show through at 0\.4 in frame 7.*expected 1, or 0.*0001\.toml"):
        trained.generate(plate, output, CONFIG, is_disguise=True)
    assert not output.exists()
    trained.generate(plate, output, CONFIG, is_disguise=True, wanted=Wanted(frames="0:6"))
    trained.generate(plate, output, CONFIG, overwrite=True)


def test_a_face_that_may_be_the_witness_is_covered(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = zip(frames_of("performance.mp4", NUM_FRAMES), clip_of(STRANGER, NUM_FRAMES), strict=True)
    plate = write_video(tmp_path / "plate.mp4", [np.hstack(both) for both in beside])

    def with_unsure(*args: object, **kwargs: object) -> list[StoredFace]:
        found = stored_faces(*args, **kwargs)  # type: ignore[arg-type]
        shift = np.array([256, 0, 0], np.float32)
        return [
            *found,
            *(
                replace(each, id=-each.id, landmarks_xyz=each.landmarks_xyz + shift, rejections=("unsure who",))
                for each in found
            ),
        ]

    monkeypatch.setattr(places_module, "stored_faces", with_unsure)
    trained.generate(plate, tmp_path / "shot.mp4", CONFIG, is_disguise=True)
    for before, after in zip(pictures(plate), pictures(tmp_path / "shot.mp4"), strict=True):
        assert fine(after[:, 256:]) < 0.4 * fine(before[:, 256:])
        assert fine(after[:, :256]) > 0.5 * fine(before[:, :256])


@pytest.mark.usefixtures("losing")
def test_recognise_counts_covered_faces_as_replaced(trained: Production, plate: Path, tmp_path: Path) -> None:
    figures: dict[bool, list[bool]] = {}
    for is_disguise in (False, True):
        shot = tmp_path / f"{is_disguise}.mp4"
        trained.generate(plate, shot, CONFIG, is_disguise=is_disguise)
        permit = grant_prepare(trained.project, PERFORMER)
        page = tmp_path / f"{is_disguise}.html"
        found = recognise_performer(trained.project, shot, plate, PERFORMER, permit, page, progress=Silent())
        figures[is_disguise] = [each.is_replaced for each in found.looks.faces if each.frame in LOST]
    assert figures == {False: [False] * len(LOST), True: [True] * len(LOST)}
