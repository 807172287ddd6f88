"""Frames as files: resumable folders, cases, corpora and packs."""

import io
import json
import zipfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from countenance.actors import footage
from countenance.actors.actor import draw_actor
from countenance.actors.corpus import CorpusSpec, corpus_state, make_corpus, pack_corpus, read_strip
from countenance.actors.figure import build_figure
from countenance.actors.filming import motions_in, pictures_in
from countenance.actors.footage import CaseSpec, claim_folder, render_case, render_folder
from countenance.actors.performance import draw_performance
from countenance.actors.render import opened_renderer
from countenance.actors.sheet import actors_sheet
from countenance.actors.staging import draw_scene
from countenance.capture.film import develop_frames, reach_px
from countenance.errors import ActorError, UsageError
from countenance.media.probe import probe
from countenance.progress import Silent

SIZE = 48


def render_some(folder: Path, num_frames: int) -> None:
    with opened_renderer("caster") as renderer:
        render_folder(
            lambda: build_figure(draw_actor(3)),
            draw_performance(2, 6),
            draw_scene(2, 6),
            renderer,
            folder,
            size=SIZE,
            num_frames=num_frames,
            what="frames",
            progress=Silent(),
        )


def test_a_cut_rendering_goes_on_and_ends_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render_some(tmp_path / "whole", 4)
    # Killed while a frame was being written: its picture isn't there yet.
    render_some(tmp_path / "cut", 2)
    (tmp_path / "cut/rgb/0001.png").unlink()
    before = (tmp_path / "cut/rgb/0000.png").stat().st_mtime_ns
    render_some(tmp_path / "cut", 4)
    assert (tmp_path / "cut/rgb/0000.png").stat().st_mtime_ns == before
    for kind in ("rgb", "labels", "mask", "depth", "facts"):
        files = sorted((tmp_path / "whole" / kind).iterdir())
        assert len(files) == 4
        for path in files:
            assert path.read_bytes() == (tmp_path / "cut" / kind / path.name).read_bytes()
    facts = json.loads((tmp_path / "cut/facts/0003.json").read_text())
    assert np.array(facts["landmarks_xy"]).shape == (468, 2)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("all frames are there already")

    monkeypatch.setattr(footage, "render_figure", fail)
    render_some(tmp_path / "cut", 4)


def test_a_case_has_all_that_the_benchmark_asks_for(tmp_path: Path) -> None:
    case = CaseSpec(
        name="tiny",
        likeness=9,
        performer=7,
        performance=3,
        scene=3,
        size=64,
        training_frames=5,
        plate_frames=3,
    )
    render_case(case, tmp_path, Silent())
    for role in ("likeness", "performer"):
        assert probe(tmp_path / f"{role}_training.mp4").num_frames == 5
        with Image.open(tmp_path / f"{role}.png") as reference:
            assert reference.size == (64, 64)
    assert probe(tmp_path / "plate.mp4").num_frames == 3
    plate, truth, toned = (list(pictures_in(tmp_path / name)) for name in ("plate", "truth", "truth_toned"))
    masks = [mask[..., 0] for mask in pictures_in(tmp_path / "mask")]
    assert len(plate) == len(truth) == len(toned) == len(masks) == 3
    face = masks[0] > 250
    # Light onto dark: the exact answer is lighter in the likeness's own skin than in the performer's tone.
    assert truth[0][face].mean() > toned[0][face].mean() + 10
    known = json.loads((tmp_path / "landmarks.json").read_text())
    assert np.array(known["truth"]).shape == np.array(known["plate"]).shape == (3, 468, 2)
    assert np.array(known["yaw_pitch_roll_deg"]).shape == (3, 3)


def test_plate_and_truth_are_filmed_by_the_same_camera_and_clips_by_others(tmp_path: Path) -> None:
    case = CaseSpec(
        name="tiny",
        likeness=9,
        performer=7,
        performance=3,
        scene=3,
        size=96,
        training_frames=3,
        plate_frames=3,
        capture="broadcast",
    )
    capture = case.plate_capture()
    assert capture is not None
    kinds = [each.kind for each in (case.training_capture(1), case.training_capture(2)) if each is not None]
    assert len({capture.kind, *kinds}) == 3
    render_case(case, tmp_path, Silent())
    assert probe(tmp_path / "likeness_training.mp4").num_frames == 3
    assert probe(tmp_path / "plate.mp4").num_frames == 3
    frames = tmp_path / "frames"
    rendered, filmed = (
        [list(pictures_in(base / n)) for n in names]
        for base, names in ((frames, ("plate/rgb", "truth/rgb")), (tmp_path, ("plate", "truth")))
    )
    for one, other in zip(rendered[0], filmed[0], strict=True):
        assert 2 < np.abs(one.astype(int) - other).mean() < 60
    # Before the encoder they are equal wherever the renders are, but for the few pixels that blur reaches.
    developed = [
        list(develop_frames(pictures, capture, frame_rate=Fraction(24), motion=motions_in(frames / name / "motion")))
        for pictures, name in zip(rendered, ("plate", "truth"), strict=True)
    ]
    motions = [list(motions_in(frames / name / "motion")) for name in ("plate", "truth")]
    side = 2 * (reach_px(capture) + 3) + 1
    changed = np.zeros((96, 96), bool)
    for index in range(3):
        changed |= (rendered[0][index] != rendered[1][index]).any(axis=2)
        changed |= (motions[0][index] != motions[1][index]).any(axis=2)
        alike = cv2.dilate(changed.astype(np.uint8), np.ones((side, side), np.uint8)) == 0
        assert alike.mean() > 0.05
        assert np.array_equal(developed[0][index][alike], developed[1][index][alike])
        assert not np.array_equal(developed[0][index], rendered[0][index])
    known = json.loads((tmp_path / "landmarks.json").read_text())
    facts = [json.loads((frames / f"plate/facts/{index:04}.json").read_text()) for index in range(3)]
    moved = np.array(known["plate"]) - [each["landmarks_xy"] for each in facts]
    assert 0.01 < np.abs(moved).max() < 2
    masks = [mask[..., 0] for mask in pictures_in(tmp_path / "mask")]
    sharp = [mask[..., 0] for mask in pictures_in(frames / "truth" / "mask")]
    assert [abs(int(a.sum()) - int(b.sum())) < 0.02 * b.sum() for a, b in zip(masks, sharp, strict=True)] == [True] * 3


def test_a_corpus_goes_on_where_it_was_and_can_be_packed(tmp_path: Path) -> None:
    spec = CorpusSpec(people=2, performances=2, frames=2, size=SIZE)
    calls = iter([False, True, True, True])
    state = make_corpus(tmp_path / "corpus", spec, progress=Silent(), should_stop=lambda: next(calls))
    assert (state.pairs_done, state.pairs) == (1, 4)
    first = (tmp_path / "corpus/0000/0000.webp").read_bytes()
    state = make_corpus(tmp_path / "corpus", spec, progress=Silent(), should_stop=lambda: False)
    assert state.pairs_done == 4
    assert state.frames_per_cpu_hour
    assert (tmp_path / "corpus/0000/0000.webp").read_bytes() == first
    assert corpus_state(tmp_path / "corpus")[1].pairs_done == 4
    manifest = json.loads((tmp_path / "corpus/manifest.json").read_text())
    assert len(manifest["people"]) == len(manifest["performances"]) == 2
    one, other = (read_strip(tmp_path / "corpus", 1, person) for person in (0, 1))
    assert one.shape == (2, SIZE, SIZE, 3)
    # Another person in the same pose: alike behind the head, different in the face.
    assert np.abs(one.astype(int) - other).mean() > 3
    points = [np.load(tmp_path / f"corpus/0001/{person:04}.landmarks.npy").astype(float) for person in (0, 1)]
    assert np.linalg.norm(points[0] - points[1], axis=-1).mean() < 0.1 * SIZE

    packed = pack_corpus(tmp_path / "corpus", tmp_path / "c.zip", size=32, quality=80, limit_mb=60, progress=Silent())
    assert packed == (2, 2)
    with zipfile.ZipFile(tmp_path / "c.zip") as pack, pack.open("0000/0001.webp") as strip:
        assert Image.open(strip).size == (64, 32)
    with zipfile.ZipFile(tmp_path / "c.zip") as pack:
        told = json.loads(pack.read("manifest.json"))
        assert told["pack"] == {"size": 32, "quality": 80, "performances": 2, "people": 2}
        small = np.load(io.BytesIO(pack.read("0001/0000.landmarks.npy")))
    # The edge of the picture stays its edge, whatever its size.
    assert np.allclose((small + 0.5) / 32, (points[0] + 0.5) / SIZE, atol=1e-5)
    with pytest.raises(ActorError, match="fits into"):
        pack_corpus(tmp_path / "corpus", tmp_path / "d.zip", size=32, quality=80, limit_mb=0.001, progress=Silent())
    with pytest.raises(UsageError, match="another corpus"):
        make_corpus(tmp_path / "corpus", CorpusSpec(people=3), progress=Silent(), should_stop=lambda: False)
    with pytest.raises(ActorError, match="no corpus"):
        corpus_state(tmp_path)
    (tmp_path / "corpus/manifest.json").write_text("{")
    with pytest.raises(ActorError, match="no manifest that this version made"):
        corpus_state(tmp_path / "corpus")


def test_nothing_else_is_rendered_into_a_folder(tmp_path: Path) -> None:
    claim_folder(tmp_path / "take", {"actor": 3, "size": 64})
    claim_folder(tmp_path / "take", {"size": 64, "actor": 3})
    with pytest.raises(UsageError, match="holds another rendering"):
        claim_folder(tmp_path / "take", {"actor": 4, "size": 64})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").touch()
    with pytest.raises(UsageError, match="not a rendering"):
        claim_folder(tmp_path / "mine", {"actor": 3})


def test_depth_is_kept_to_a_tenth_of_a_millimetre(tmp_path: Path) -> None:
    render_some(tmp_path, 1)
    depth = cv2.imread(str(tmp_path / "depth/0000.png"), cv2.IMREAD_UNCHANGED)
    assert depth is not None
    assert depth.dtype == np.uint16
    near = depth[depth > 0].min() / 10_000
    assert 0.4 < near < 2.0


def test_a_sheet_shows_everybody() -> None:
    with opened_renderer("caster") as renderer:
        sheet = actors_sheet([0, 1, 2], renderer, size=SIZE, columns=2, progress=Silent())
    assert sheet.shape == (2 * (SIZE + 20), 2 * SIZE, 3)
    tiles = [sheet[:SIZE, :SIZE], sheet[:SIZE, SIZE:], sheet[SIZE + 20 : 2 * SIZE + 20, :SIZE]]
    assert len({tile.tobytes() for tile in tiles}) == 3
