import itertools
import json
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from jaxtyping import Bool, Float32
from PIL import Image

from countenance import ledger
from countenance.composite import front as front_module
from countenance.composite import render as render_module
from countenance.composite.swap import SMOOTHING_RADIUS
from countenance.consent.register import templates
from countenance.errors import FaceError, MediaError, ModelError, ProvenanceError, UsageError
from countenance.faces import plate as plate_module
from countenance.faces import scan as scan_module
from countenance.faces.answers import answer
from countenance.faces.config import PLATE_CONFIG
from countenance.faces.faceset import open_face_set, read_faces
from countenance.faces.plate import find_performer, known_hidden
from countenance.faces.store import stored_faces
from countenance.media.excerpt import Wanted
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.model.guided.drawer import BATCH, GuidedDrawer
from countenance.model.references import choose_references
from countenance.progress import Silent
from countenance.provenance.credentials import read_credentials
from countenance.provenance.keys import find_trust, load_or_make_identity
from countenance.provenance.label import draw_label
from countenance.steps import places as places_module
from countenance.steps.collect import collect
from countenance.steps.drawings import MUCH_HIDDEN
from countenance.steps.forget import forget_without_consent
from countenance.steps.generate import GenerateConfig
from countenance.steps.shots import list_shots, write_shots
from countenance.steps.verify import verify
from countenance.types import Corner, Frame, MediaInfo
from countenance.vision.light import mean_colour
from countenance.vision.track import GROUP_FRAMES
from tests.support.leave import never_ends
from tests.support.production import LABELLED, LIKENESS, PERFORMER, STRANGER, UNLABELLED, Production
from tests.support.recorder import Recorder
from tests.support.videos import Rgb, clip_of, dissolved, frames_of, tone, write_video

pytestmark = pytest.mark.usefixtures("unmarked")

GREY = np.full((256, 256, 3), 110, np.uint8)
CODEC_NOISE, LARGEST_CODEC_NOISE = 1.0, 12.0
"""Differences of pixels, 0–255, mean and largest, that encoding stays below; measured: 0.34 and 4.3."""
BASE = replace(UNLABELLED, model="base", preset="draft")
FACE_CHANGE = 4.0
"""Mean difference that a face makes at least."""


def pictures(path: Path) -> list[Rgb]:
    return [frame.rgb for frame in read_frames(probe(path))]


def times(path: Path) -> tuple[Fraction, list[int]]:
    info = probe(path)
    return info.time_base, [frame.pts for frame in read_frames(info)]


def sound(path: Path) -> list[tuple[Fraction, bytes]]:
    """Times and bytes of the packets of the first audio stream."""
    with av.open(path) as container:
        packets = container.demux(container.streams.audio[0])
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in packets if packet.pts is not None]


def difference(one: Rgb, other: Rgb) -> Float32[np.ndarray, "H W"]:
    return np.asarray(np.abs(one.astype(np.float32) - other.astype(np.float32)).mean(axis=2))


def face_area(
    production: Production, plate: Path, frame: int
) -> tuple[Bool[np.ndarray, "H W"], Bool[np.ndarray, "H W"]]:
    """The performer's face from brow to lips in a frame, and all around it that must not change."""
    row = production.project.database.execute(
        "SELECT landmarks FROM faces JOIN scans ON scans.id = scan"
        " WHERE purpose = 'generate' AND sha256 = ? AND frame = ? AND rejections = '[]'",
        (probe(plate).sha256, frame),
    ).fetchone()
    landmarks_xy = np.frombuffer(row[0], np.float32).reshape(468, 3)[:, :2]
    width, height = probe(plate).resolution_wh
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    low, high = landmarks_xy.min(axis=0), landmarks_xy.max(axis=0)
    middle, reach = (low + high) / 2, (high - low) / 2
    far = np.maximum(abs(x - middle[0]) / reach[0], abs(y - middle[1]) / reach[1])
    return np.hypot((x - middle[0]) / reach[0], (y - middle[1]) / reach[1]) < 0.6, far > 1.4


def labels_of(published: Path) -> tuple[Corner, ...]:
    """Where a file says that labels lie."""
    claim = read_credentials(published, find_trust()).claim
    assert claim is not None
    return claim.label_corners


def assert_swapped(production: Production, plate: Path, output: Path, frames: Sequence[int]) -> None:
    """Inside of the face another one, outside of it the plate."""
    before, after = pictures(plate), pictures(output)
    for index in frames:
        inside, outside = face_area(production, plate, index)
        change = difference(before[index], after[index])
        assert change[inside].mean() > FACE_CHANGE
        assert change[outside].mean() < CODEC_NOISE
        assert change[outside].max() < LARGEST_CODEC_NOISE


def test_the_face_is_changed_and_nothing_else(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 12), sound=tone(11 / 24))
    result = trained.generate(plate, tmp_path / "shot.mp4")
    assert (result.published.num_frames, result.published.num_altered_frames) == (12, 12)
    assert result.unaltered_spans == ()
    assert_swapped(trained, plate, tmp_path / "shot.mp4", range(12))
    assert times(tmp_path / "shot.mp4") == times(plate)
    assert sound(tmp_path / "shot.mp4") == sound(plate)
    assert ledger.check(trained.project) == result.published.log_index
    assert list(ledger.entries(trained.project))[-1].facts["num_decided_frames"] == 0


def test_variable_frame_rate_begins_late_and_ends_without_the_performer(trained: Production, tmp_path: Path) -> None:
    pts = list(itertools.accumulate([1800, *(211 + 97 * (index % 7) for index in range(17))]))
    frames = [*frames_of("performance.mp4", 12), *[GREY] * 6]
    plate = write_video(tmp_path / "plate.mp4", frames, pts=pts, time_base=Fraction(1, 9000))
    result = trained.generate(plate, tmp_path / "shot.mp4")
    assert times(plate) == (Fraction(1, 9000), pts)
    # Nothing begins earlier, so that the first frame is the new file's zero.
    assert times(tmp_path / "shot.mp4") == (Fraction(1, 9000), [time - pts[0] for time in pts])
    assert_swapped(trained, plate, tmp_path / "shot.mp4", range(12))
    ((begin, end),) = result.unaltered_spans
    assert begin == pytest.approx(pts[12] / 9000)
    assert end > pts[-1] / 9000
    assert end == pytest.approx(pts[0] / 9000 + float(probe(plate).duration))


@pytest.mark.parametrize("rotation_deg", [90, 180])
def test_rotated(trained: Production, tmp_path: Path, rotation_deg: int) -> None:
    upright = [np.pad(rgb, ((0, 64), (0, 0), (0, 0)), mode="edge") for rgb in frames_of("performance.mp4", 8)]
    stored = [np.rot90(rgb, rotation_deg // 90) for rgb in upright]
    plate = write_video(tmp_path / "plate.mp4", stored, rotation_deg=rotation_deg)
    trained.generate(plate, tmp_path / "shot.mp4")
    published = probe(tmp_path / "shot.mp4")
    assert (probe(plate).rotation_deg, published.rotation_deg) == (rotation_deg, 0)
    assert published.resolution_wh == (256, 320)
    # As stored, so that no player needs to know about turning.
    with av.open(tmp_path / "shot.mp4") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (256, 320)
    assert_swapped(trained, plate, tmp_path / "shot.mp4", range(8))
    assert difference(pictures(tmp_path / "shot.mp4")[0], upright[0])[256:].mean() < CODEC_NOISE


def test_without_sound(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 6))
    trained.generate(plate, tmp_path / "shot.mov")
    assert not probe(tmp_path / "shot.mov").has_audio
    assert times(tmp_path / "shot.mov") == times(plate)
    assert_swapped(trained, plate, tmp_path / "shot.mov", range(6))


@pytest.mark.parametrize(("name", "output"), [("plate.jpg", "shot.jpg"), ("plate.png", "shot.png")])
def test_picture(trained: Production, tmp_path: Path, name: str, output: str) -> None:
    plate = tmp_path / name
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate, quality=95)
    result = trained.generate(plate, tmp_path / output)
    assert (result.published.num_frames, result.published.num_altered_frames) == (1, 1)
    with Image.open(tmp_path / output) as published:
        assert published.format == {".jpg": "JPEG", ".png": "PNG"}[plate.suffix]
    assert_swapped(trained, plate, tmp_path / output, [0])
    if plate.suffix == ".png":
        _, outside = face_area(trained, plate, 0)
        assert difference(*pictures(plate), *pictures(tmp_path / output))[outside].max() == 0


def test_picture_that_its_exif_turns(trained: Production, tmp_path: Path) -> None:
    upright = np.pad(frames_of("performance.mp4", 1)[0], ((0, 64), (0, 0), (0, 0)), mode="edge")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.rot90(upright)).save(tmp_path / "plate.jpg", quality=95, exif=turned)
    trained.generate(tmp_path / "plate.jpg", tmp_path / "shot.jpg")
    with Image.open(tmp_path / "shot.jpg") as published:
        assert published.size == (256, 320)
        assert published.getexif().get(0x0112, 1) == 1
    assert_swapped(trained, tmp_path / "plate.jpg", tmp_path / "shot.jpg", [0])


def test_frames_without_the_performer_pass_unaltered(trained: Production, tmp_path: Path) -> None:
    performance = frames_of("performance.mp4", 20)
    plate = write_video(tmp_path / "plate.mp4", [*performance[:10], *[GREY] * 9, *performance[10:]])
    result = trained.generate(plate, tmp_path / "shot.mp4", replace(LABELLED, quality=4))
    assert (result.published.num_frames, result.published.num_altered_frames) == (29, 20)
    assert result.unaltered_spans == ((10 / 24, 19 / 24),)
    before, after = pictures(plate), pictures(tmp_path / "shot.mp4")
    labels = [difference(draw_label(GREY, corner), GREY) > 0 for corner in labels_of(tmp_path / "shot.mp4")]
    assert all(label.sum() > 500 for label in labels)
    # A shot of their own, in which nothing is altered and no label says so.
    for index in range(10, 19):
        assert difference(before[index], after[index]).mean() < CODEC_NOISE
    for index in (*range(10), *range(19, 29)):
        inside, _ = face_area(trained, plate, index)
        change = difference(before[index], after[index])
        assert change[inside].mean() > FACE_CHANGE
        assert max(change[label].mean() for label in labels) > FACE_CHANGE


def test_of_two_people_only_the_performer_is_changed(trained: Production, tmp_path: Path) -> None:
    pairs = zip(clip_of(STRANGER, 10), frames_of("performance.mp4", 10), strict=True)
    plate = write_video(tmp_path / "plate.mp4", [np.hstack(pair) for pair in pairs])
    result = trained.generate(plate, tmp_path / "shot.mp4")
    assert result.published.num_altered_frames == 10
    assert_swapped(trained, plate, tmp_path / "shot.mp4", range(10))
    for before, after in zip(pictures(plate), pictures(tmp_path / "shot.mp4"), strict=True):
        change = difference(before, after)[:, :256]
        assert change.mean() < CODEC_NOISE
        assert change.max() < LARGEST_CODEC_NOISE


@pytest.mark.parametrize("is_first", [True, False])
def test_of_a_shot_that_dissolves_into_a_stranger_s_the_performer_s_frames_are_found(
    trained: Production, tmp_path: Path, is_first: bool
) -> None:
    performer, stranger = frames_of("performance.mp4", 24), clip_of(STRANGER, 24)
    shots = (performer, stranger) if is_first else (stranger, performer)
    info = probe(write_video(tmp_path / "plate.mp4", dissolved(*shots, 12)))
    found = find_performer(
        trained.project, PERFORMER, templates(trained.project), info, Recorder(), check_leave=never_ends
    )
    frames = {face.frame for face in found}
    own, other = (range(24), range(36, 60)) if is_first else (range(36, 60), range(24))
    assert frames >= set(own)
    assert frames.isdisjoint(other)
    # Of the dissolve at most what shows more of the performer's face.
    assert frames.isdisjoint(range(32, 36) if is_first else range(24, 28))


def test_stranger_s_plate(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", clip_of(STRANGER, 6))
    with pytest.raises(
        FaceError, match=r"6 faces were found in plate\.mp4, and none is kofi's: the nearest lies at distance 0\.\d\d"
    ):
        trained.generate(plate, tmp_path / "shot.mp4")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["plate.mp4"]


def test_whom_it_is_not_sure_of_is_left_alone_and_told(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plate_module, "PLATE_CONFIG", replace(PLATE_CONFIG, max_distance=0.01))
    info = probe(write_video(tmp_path / "plate.mp4", clip_of(PERFORMER, 6)))
    progress = Recorder()
    assert (
        find_performer(trained.project, PERFORMER, templates(trained.project), info, progress, check_leave=never_ends)
        == []
    )
    (note,) = progress.notes
    assert note.startswith("6 faces in plate.mp4 may be kofi's or not")
    # What it names as the way out is one.
    collect(trained.project, PERFORMER, [info.path], progress=Silent())
    trained.prepare(PERFORMER)
    own = stored_faces(trained.project, PERFORMER, sha256=info.sha256)
    answer(trained.project, PERFORMER, own[:1], "yes")
    assert (
        len(
            find_performer(
                trained.project, PERFORMER, templates(trained.project), info, progress, check_leave=never_ends
            )
        )
        == 6
    )
    answer(trained.project, PERFORMER, own[:1], "no")
    assert (
        find_performer(trained.project, PERFORMER, templates(trained.project), info, progress, check_leave=never_ends)
        == []
    )


def test_existing_output_is_left_alone(trained: Production, tmp_path: Path) -> None:
    plate, output = tmp_path / "plate.png", tmp_path / "shot.png"
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate)
    output.write_bytes(b"somebody's work")
    with pytest.raises(UsageError, match="--overwrite"):
        trained.generate(plate, output)
    assert output.read_bytes() == b"somebody's work"
    assert trained.project.database.execute("SELECT count(*) FROM scans WHERE purpose = 'generate'").fetchone() == (0,)
    trained.generate(plate, output, overwrite=True)
    assert probe(output).resolution_wh == (256, 256)


def test_a_collected_clip_is_never_overwritten(trained: Production, tmp_path: Path) -> None:
    plate, clip = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 4)), tmp_path / "clip.mp4"
    write_video(clip, clip_of(PERFORMER, 4))
    collect(trained.project, PERFORMER, [clip], progress=Silent())
    before = clip.read_bytes()
    with pytest.raises(UsageError, match=r"clip\.mp4 is a clip of this project, which is never written to"):
        trained.generate(plate, clip, overwrite=True)
    assert clip.read_bytes() == before


def test_label_is_left_off_only_with_a_reason(trained: Production, tmp_path: Path) -> None:
    plate = tmp_path / "plate.png"
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate)
    with pytest.raises(ValueError, match="reason"):
        GenerateConfig(label=False)
    trained.generate(plate, tmp_path / "labelled.png", LABELLED)
    trained.generate(plate, tmp_path / "unlabelled.png", UNLABELLED)
    (labelled,), (unlabelled,) = pictures(tmp_path / "labelled.png"), pictures(tmp_path / "unlabelled.png")
    (corner,) = labels_of(tmp_path / "labelled.png")
    assert np.array_equal(labelled, draw_label(unlabelled, corner))
    assert not np.array_equal(labelled, unlabelled)
    facts = [entry.facts for entry in ledger.entries(trained.project) if entry.event == "published"]
    assert [(fact["label"], fact["label_reason"]) for fact in facts] == [
        ("shown", ""),
        ("left out", UNLABELLED.unlabelled_reason),
    ]


def test_nothing_is_out_where_the_log_was_changed(trained: Production, tmp_path: Path) -> None:
    plate = tmp_path / "plate.png"
    Image.fromarray(frames_of("performance.mp4", 1)[0]).save(plate)
    trained.project.database.execute("DELETE FROM log WHERE number = (SELECT max(number) FROM log)")
    with pytest.raises(ProvenanceError, match="cut off"):
        trained.generate(plate, tmp_path / "shot.png")
    assert not (tmp_path / "shot.png").exists()


def test_memory_does_not_grow_with_the_plate(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any time only so many frames of the plate are alive, in looking for faces as in rendering."""
    alive, most = weakref.WeakValueDictionary[int, Rgb](), {"scan": 0, "render": 0}

    def watched(phase: str, info: MediaInfo, **place: int | None) -> Iterator[Frame]:
        for frame in read_frames(info, **place):  # type: ignore[arg-type]
            alive[len(seen)] = frame.rgb
            seen.append(frame.index)
            most[phase] = max(most[phase], len(alive))
            yield frame

    seen: list[int] = []
    monkeypatch.setattr(scan_module, "read_frames", lambda info, **place: watched("scan", info, **place))
    monkeypatch.setattr(render_module, "read_frames", lambda info, **place: watched("render", info, **place))
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 60))
    threaded = replace(UNLABELLED, threads=3)
    trained.generate(plate, tmp_path / "shot.mp4", threaded)
    assert seen == [*range(60), *range(60)]
    assert most["scan"] <= 2 * GROUP_FRAMES + 2
    assert most["render"] <= 2 * SMOOTHING_RADIUS + 2 + (threaded.threads + 1) * BATCH


def test_a_plate_of_another_folder_leaves_no_trace_beside_it(trained: Production, tmp_path: Path) -> None:
    (tmp_path / "plates").mkdir()
    (tmp_path / "out").mkdir()
    plate = write_video(tmp_path / "plates" / "plate.mp4", frames_of("performance.mp4", 6))
    trained.generate(plate, tmp_path / "out" / "shot.mp4")
    assert [path.name for path in (tmp_path / "plates").iterdir()] == ["plate.mp4"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["shot.mp4"]
    assert not list((trained.project.folder / "renders").iterdir())


def test_the_likeness_keeps_its_skin_if_asked_to(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 6))
    shots = {}
    for skin in ("performer", "likeness"):
        config = replace(UNLABELLED, skin=skin)
        trained.generate(plate, tmp_path / f"{skin}.mp4", config)
        shots[skin] = pictures(tmp_path / f"{skin}.mp4")
    sets = [open_face_set(trained.project, person) for person in (LIKENESS, PERFORMER)]
    means = [mean_colour((face.rgb, face.mask) for face in read_faces(trained.project, each)) for each in sets]
    inside, _ = face_area(trained, plate, 3)
    lab = [cv2.cvtColor(shots[skin][3], cv2.COLOR_RGB2Lab).astype(np.float32)[inside] for skin in shots]
    changed = (lab[1] - lab[0]).mean(axis=0) * [100 / 255, 1, 1]
    wanted = means[0] - means[1]
    assert np.linalg.norm(wanted) > 1.5
    # Less than asked for; but that way and no other.
    length = np.linalg.norm(changed)
    assert length > 0.25 * np.linalg.norm(wanted)
    assert changed @ wanted > 0.9 * length * np.linalg.norm(wanted)


def test_an_identity_made_while_the_clock_was_ahead_is_renewed_before_rendering(
    trained: Production, tmp_path: Path
) -> None:
    ahead = load_or_make_identity(at=datetime.now(UTC) + timedelta(days=365))
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 2))
    recorder = Recorder()
    published = trained.generate(plate, tmp_path / "shot.mp4", progress=recorder).published
    assert [note for note in recorder.notes if "the clock was wrong then, or is wrong now" in note]
    assert find_trust() != ahead.trust
    assert read_credentials(published.path, find_trust()).state == "trusted"


def test_what_hides_much_of_the_face_stays_in_front_and_is_noted(trained: Production, tmp_path: Path) -> None:
    frames = []
    for index, rgb in enumerate(frames_of("performance.mp4", 12)):
        covered = rgb.copy()
        if index >= 6:
            cv2.circle(covered, (140, 150), 34, (32, 34, 38), -1, cv2.LINE_AA)
        frames.append(covered)
    plate = write_video(tmp_path / "plate.mp4", frames)
    progress = Recorder()
    trained.generate(plate, tmp_path / "shot.mp4", UNLABELLED, progress=progress)
    (note,) = [each for each in progress.notes if "in front" in each]
    assert "6 frames between 0.25 s and 0.46 s" in note
    hidden = known_hidden(trained.project, PERFORMER, probe(plate))
    assert (hidden > MUCH_HIDDEN).tolist() == [False] * 6 + [True] * 6
    before, after = pictures(plate), pictures(tmp_path / "shot.mp4")
    thing = np.hypot(*(np.indices((256, 256)) - np.array([150, 140])[:, None, None])) < 28
    assert max(difference(before[index], after[index])[thing].mean() for index in range(6, 12)) < 4


def test_sound_that_the_output_cannot_hold_is_refused_before_the_plate_is_searched(trained: Production) -> None:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 16 * 8000), np.int16), format="s16", layout="hexadecagonal")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    plate = write_video(trained.folder / "plate.mov", [GREY] * 4, sound=frame, sound_codec="pcm_s16le")
    recorder = Recorder()
    with pytest.raises(MediaError, match="has 16 channels"):
        trained.generate(plate, trained.folder / "output.mp4", progress=recorder)
    assert recorder.done_now == {}


def test_what_a_plate_loses_is_reported_before_the_plate_is_searched(trained: Production) -> None:
    plate = write_video(trained.folder / "plate.mkv", [GREY] * 4, pixel_format="yuv422p10le")
    recorder = Recorder()
    with pytest.raises(FaceError):
        trained.generate(plate, trained.folder / "output.mp4", progress=recorder)
    assert recorder.notes[-2:] == [
        "plate.mkv has 10 bits a channel, the result has 8",
        "plate.mkv keeps colour at 4:2:2, the result at 4:2:0",
    ]


# Without any training.


def last_run(production: Production) -> Mapping[str, Any]:
    """What the last run was made with."""
    (facts,) = production.project.database.execute("SELECT facts FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
    return dict(json.loads(facts))


def test_the_base_draws_where_it_is_asked_for_and_else_what_was_trained(trained: Production, tmp_path: Path) -> None:
    plate, recorder = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 3)), Recorder()
    result = trained.generate(plate, tmp_path / "shot.mp4", BASE, progress=recorder)
    assert_swapped(trained, plate, tmp_path / "shot.mp4", range(3))
    assert (result.drawn_with, result.num_references) == ("base", 24)

    claim = read_credentials(tmp_path / "shot.mp4", find_trust()).claim
    logged, run = list(ledger.entries(trained.project))[-1].facts, last_run(trained)
    assert claim is not None
    assert claim.drawn_with == logged["drawn_with"] == "base"
    assert claim.model_digest == logged["model_digest"] == run["model"]
    (edits,) = [
        each for each in verify(tmp_path / "shot.mp4", trained.project).report.findings if each.about == "edits"
    ]
    assert "it was drawn from pictures of the two people; no model was trained on them" in edits.reasons
    sets = [open_face_set(trained.project, person) for person in (LIKENESS, PERFORMER)]
    assert run["face_sets"] == {each.person: each.digest for each in sets}
    assert run["references"] == {each.person: choose_references(trained.project, each).digest for each in sets}
    assert run["checkpoint"] is None

    assert trained.generate(plate, tmp_path / "trained.mp4").drawn_with == "trained"
    assert list(ledger.entries(trained.project))[-1].facts["drawn_with"] == "trained"
    again = last_run(trained)
    assert (again["face_sets"], again["references"]) == (run["face_sets"], run["references"])
    assert again["checkpoint"] is not None
    assert again["model"] != run["model"]


def test_a_few_pictures_of_the_likeness_and_the_plate_itself_are_enough(released: Production, tmp_path: Path) -> None:
    pictures_of = []
    for number, rgb in enumerate(clip_of(LIKENESS, 24)[::8]):
        Image.fromarray(rgb).save(tmp_path / f"{number}.png")
        pictures_of.append(tmp_path / f"{number}.png")
    collect(released.project, LIKENESS, pictures_of, progress=Silent())
    kept = released.prepare(LIKENESS).face_set.num_faces
    assert 1 < kept <= 3
    plate, recorder = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 3)), Recorder()
    result = released.generate(plate, tmp_path / "shot.mp4", BASE, progress=recorder)
    assert_swapped(released, plate, tmp_path / "shot.mp4", range(3))
    assert result.num_references == kept
    (note,) = recorder.notes
    assert note.startswith(f"Only {kept} faces of zuri. Missing most: ")
    assert note.endswith("What none of them shows is guessed; `countenance coverage zuri` says what to shoot")
    assert set(last_run(released)["face_sets"]) == {LIKENESS}
    assert set(last_run(released)["references"]) == {LIKENESS, PERFORMER}
    # What was cut from the plate isn't stored.
    assert (
        stored_faces(released.project, PERFORMER, purpose="generate", sha256=probe(plate).sha256)[0].has_crop is False
    )


def test_without_a_face_of_the_likeness_it_says_what_to_do_before_the_plate_is_searched(released: Production) -> None:
    plate, recorder = write_video(released.folder / "plate.mp4", [GREY] * 4), Recorder()
    with pytest.raises(FaceError, match="no face set of zuri here; run `countenance prepare zuri` first"):
        released.generate(plate, released.folder / "shot.mp4", BASE, progress=recorder)
    assert recorder.done_now == {}


def test_without_a_trained_model_it_says_that_none_is_needed(trained: Production, tmp_path: Path) -> None:
    shutil.rmtree(trained.project.folder / "models")
    plate = write_video(tmp_path / "plate.mp4", [GREY] * 4)
    with pytest.raises(ModelError, match="run `countenance train zuri --onto kofi` first, or leave out"):
        trained.generate(plate, tmp_path / "shot.mp4", GenerateConfig(model="trained"))


def test_what_was_trained_draws_at_any_size(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 2))
    for preset in ("draft", "fine"):
        output = tmp_path / f"{preset}.mp4"
        assert (
            trained.generate(plate, output, replace(UNLABELLED, model="trained", preset=preset)).drawn_with == "trained"
        )
        assert_swapped(trained, plate, output, range(2))


# A part of a plate.


def test_a_part_is_a_file_of_its_own_that_says_what_it_shows(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 60), sound=tone(2.5))
    config = replace(BASE, quality=4)
    whole = trained.generate(plate, tmp_path / "whole.mp4", config)
    result = trained.generate(plate, tmp_path / "part.mp4", config, wanted=Wanted(frames="6:55"))
    assert (result.published.num_frames, result.published.num_altered_frames, result.shown) == (50, 50, range(6, 56))
    assert (whole.published.num_frames, whole.shown) == (60, None)
    base, pts = times(plate)
    assert times(tmp_path / "part.mp4") == (base, [each - pts[6] for each in pts[6:56]])
    before, after = pictures(tmp_path / "whole.mp4")[6:56], pictures(tmp_path / "part.mp4")
    assert max(difference(one, other).mean() for one, other in zip(before, after, strict=True)) < CODEC_NOISE

    claim, logged = read_credentials(tmp_path / "part.mp4", find_trust()).claim, list(ledger.entries(trained.project))
    assert claim is not None
    assert (claim.first_frame, claim.num_frames, claim.num_plate_frames, claim.is_preview) == (6, 50, 60, False)
    assert [logged[-1].facts[name] for name in ("first_frame", "num_frames", "num_plate_frames")] == [6, 50, 60]
    (edits,) = [
        each for each in verify(tmp_path / "part.mp4", trained.project).report.findings if each.about == "edits"
    ]
    assert "of the plate it shows this: frames 6 to 55 of 60, counted from 0" in edits.reasons
    assert last_run(trained)["frames"] == [6, 55]


def test_a_shot_and_what_was_not_altered_in_it(trained: Production, tmp_path: Path) -> None:
    performance = frames_of("performance.mp4", 8)
    plate = write_video(tmp_path / "plate.mp4", [*[GREY] * 9, *performance, *[GREY] * 9])
    result = trained.generate(plate, tmp_path / "shot.mp4", BASE, wanted=Wanted(shot=2))
    assert (result.shown, result.published.num_altered_frames, result.unaltered_spans) == (range(9, 17), 8, ())
    result = trained.generate(plate, tmp_path / "more.mp4", BASE, wanted=Wanted(frames="7:18"))
    assert result.unaltered_spans == ((7 / 24, 9 / 24), (17 / 24, 19 / 24))
    with pytest.raises(FaceError, match=r"kofi isn't in frames 0 to 5 of plate\.mp4, .* something to replace is 9"):
        trained.generate(plate, tmp_path / "none.mp4", BASE, wanted=Wanted(frames=":5"))
    assert not (tmp_path / "none.mp4").exists()


def test_a_preview_is_small_short_and_says_so(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places_module, "PREVIEW_S", Fraction(1, 4))
    monkeypatch.setattr(render_module, "PREVIEW_HEIGHT", 100)
    monkeypatch.setattr(render_module, "MIN_WIDTH_HEIGHT", 100)
    plate = write_video(tmp_path / "plate.mp4", [*[GREY] * 7, *frames_of("performance.mp4", 9)])
    config = replace(LABELLED, model="base", preset="draft")
    result = trained.generate(plate, tmp_path / "preview.mp4", config, preview=True)
    assert result.shown == range(7, 13)
    assert probe(tmp_path / "preview.mp4").resolution_wh == (100, 100)
    claim = read_credentials(tmp_path / "preview.mp4", find_trust()).claim
    assert claim is not None
    assert (claim.label, claim.is_preview) == ("shown", True)
    assert claim.what_of_the_plate == "frames 7 to 12 of 16, counted from 0; a preview"
    assert list(ledger.entries(trained.project))[-1].facts["is_preview"] is True


# Shots and what is set for them.


def test_a_shot_rendered_again_with_other_settings_draws_nothing(
    trained: Production, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 6))
    none_kept = replace(BASE, quality=0, keep_faces_gb=0.0)
    trained.generate(plate, tmp_path / "drawn.mp4", none_kept)
    assert not any((trained.project.folder / "drawn").rglob("*"))
    trained.generate(plate, tmp_path / "first.mp4", replace(none_kept, keep_faces_gb=1.0))

    def never(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(GuidedDrawer, "__call__", never)
    monkeypatch.setattr(front_module, "_hidden", never)
    trained.generate(plate, tmp_path / "again.mp4", replace(none_kept, keep_faces_gb=1.0))
    for one, *others in zip(*(pictures(tmp_path / f"{name}.mp4") for name in ("drawn", "first", "again")), strict=True):
        assert all(np.array_equal(one, other) for other in others)
    changes = ["shot.likeness=0.3", "shot.sharpness=-0.5"]
    trained.generate(plate, tmp_path / "set.mp4", replace(none_kept, keep_faces_gb=1.0), shot_changes=changes)
    before, drawn, less = (pictures(path)[3] for path in (plate, tmp_path / "drawn.mp4", tmp_path / "set.mp4"))
    inside, _ = face_area(trained, plate, 3)
    assert difference(before, less)[inside].mean() < 0.6 * difference(before, drawn)[inside].mean()
    assert last_run(trained)["shots"]["1"]["base"]["likeness"] == 0.3


def test_what_is_set_for_a_shot_counts_in_it_alone(trained: Production, tmp_path: Path) -> None:
    performance, plate = frames_of("performance.mp4", 8), tmp_path / "plate.mp4"
    write_video(plate, [*performance, *[GREY] * 8, *performance])
    (first, _, last) = list_shots(trained.project, plate, Silent()).shots
    assert (first.frames, last.frames) == (range(8), range(16, 24))
    write_shots(trained.project, plate, [1], Silent())
    first.path.write_text('who = "nobody"')
    result = trained.generate(plate, tmp_path / "shot.mp4", replace(BASE, quality=4))
    assert result.published.num_altered_frames == 8
    assert result.unaltered_spans == ((0, 16 / 24),)
    before, after = pictures(plate), pictures(tmp_path / "shot.mp4")
    assert difference(before[3], after[3]).mean() < CODEC_NOISE
    assert_swapped(trained, plate, tmp_path / "shot.mp4", range(16, 24))
    with pytest.raises(UsageError, match=r"leave kofi as in the plate in frames 0 to 7.* change who or likeness in"):
        trained.generate(plate, tmp_path / "none.mp4", BASE, wanted=Wanted(shot=1))
    first.path.write_text('who = "koffi"')
    with pytest.raises(UsageError, match="expected all, nobody, or names of this project's people"):
        trained.generate(plate, tmp_path / "none.mp4", BASE)
    with pytest.raises(UsageError, match=r"0001\.toml is there already"):
        write_shots(trained.project, plate, [2, 1], Silent())
    assert not (first.path.parent / "0002.toml").exists()
    with pytest.raises(UsageError, match="expected a shot from 1 to 3, got 4"):
        write_shots(trained.project, plate, [4], Silent())


def test_drawn_faces_go_with_the_consent(trained: Production, tmp_path: Path) -> None:
    plate = write_video(tmp_path / "plate.mp4", frames_of("performance.mp4", 2))
    trained.generate(plate, tmp_path / "shot.mp4", BASE)
    folder = trained.project.folder / "drawn" / LIKENESS / PERFORMER
    assert any(folder.iterdir())
    assert forget_without_consent(trained.project) == []
    trained.revoke(trained.release_of(LIKENESS))
    assert forget_without_consent(trained.project) == [(LIKENESS, PERFORMER)]
    assert not folder.exists()
