"""What the detector learns from and how it is measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from countenance.forensics.network import SIZE, DetectorNet
from tools.detector.crops import WAYS, Crops, Journey, crops_of, crops_path, draw_journey, read_crops, travelled
from tools.detector.faces import evidence_of, next_places
from tools.detector.footage import SPAN, Person, clip_indexes
from tools.detector.groups import is_held_out
from tools.detector.measure import (
    FAMILIAR,
    area_under_curve,
    calibration_error,
    equal_error,
    familiar_looks,
    logistic,
    score_of,
)
from tools.detector.selfblend import SourceFace, self_blended, self_warped
from tools.detector.swaps import partner_of, write_frames
from tools.detector.train import PAIRS, Pair, draw_batch, keep_first_blocks, read_pairs

AS_IT_IS = Journey(scale=1.0, crf=16, preset="veryfast", smoothing=0.0, noise=0.0, jpeg=0)


def a_mesh(size: int = 128) -> np.ndarray:
    """Points of a face in the middle of a frame."""
    rng = np.random.default_rng(1)
    turn, far = rng.uniform(0, 2 * np.pi, 468), np.sqrt(rng.uniform(0, 1, 468))
    xy = size / 2 + size / 4 * far[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return np.column_stack([xy, np.zeros(468)]).astype(np.float32)


def some_frames(count: int = SPAN, size: int = 128) -> np.ndarray:
    """A soft pattern that moves."""
    rows, columns = np.mgrid[:size, :size]
    frames = [128 + 60 * np.sin((rows + 2 * k) / 9) + 50 * np.cos(columns / 13) for k in range(count)]
    return np.repeat(np.stack(frames).astype(np.uint8)[..., None], 3, axis=3)


def test_groups_share_nobody() -> None:
    people = [Person(number=number) for number in range(60)]
    tested = {person.number for person in people if person.is_for_tests}
    assert len(tested) == 10
    assert not tested & {person.number for person in people if is_held_out(person)}
    for person in people:
        partner = partner_of(person)
        assert partner.number > person.number
        assert partner.is_for_tests == person.is_for_tests


def test_a_test_clip_has_the_frames_by_which_videos_are_measured() -> None:
    assert len(clip_indexes(Person(number=5))) == 32


def test_all_copies_of_a_clip_go_the_same_way() -> None:
    for way in WAYS:
        assert draw_journey(Person(number=3), way) == draw_journey(Person(number=3), way)
    assert draw_journey(Person(number=3), "light").crf < draw_journey(Person(number=3), "heavy").crf


def test_a_journey_changes_size_and_nothing_but_what_it_says() -> None:
    frames = some_frames()
    assert np.abs(travelled(frames, AS_IT_IS, 1).astype(int) - frames).mean() < 3
    assert travelled(frames, replace(AS_IT_IS, scale=0.5), 1).shape == (SPAN, 64, 64, 3)
    noisy = travelled(frames, replace(AS_IT_IS, noise=9.0), 1)
    assert np.abs(noisy.astype(int) - frames).mean() > 4


def test_a_face_blended_onto_itself_differs_and_its_surroundings_hardly() -> None:
    frames, mesh = some_frames(), a_mesh()
    seeds = [seed for seed in range(12) if _is_of_the_face(frames, mesh, seed)]
    assert seeds
    for seed in seeds:
        done = self_blended(frames, [mesh] * SPAN, seed)
        apart = np.abs(done.astype(int) - frames).mean(axis=(0, 3))
        assert apart[56:72, 56:72].mean() > 1
        assert apart[:8].mean() < 0.5


def _is_of_the_face(frames: np.ndarray, mesh: np.ndarray, seed: int) -> bool:
    apart = np.abs(self_blended(frames, [mesh] * SPAN, seed).astype(int) - frames).mean(axis=(0, 3))
    return bool(apart[:8].mean() < 0.5 and apart[56:72, 56:72].mean() > 1)


def test_a_frame_without_a_mesh_is_left_alone() -> None:
    frames = some_frames()
    done = self_blended(frames, [None, *[a_mesh()] * (SPAN - 1)], 3)
    assert np.array_equal(done[0], frames[0])


def test_a_warped_face_comes_from_the_picture_that_looks_the_same_way() -> None:
    """And stays that picture's over a span, wherever the mesh goes."""
    frames, mesh = some_frames(), a_mesh()
    turned = mesh.copy()
    turned[:, 2] += 3 * (mesh[:, 0] - 64)
    light, dark = np.full_like(frames[0], 220), np.full_like(frames[0], 20)
    light[::4], dark[::4] = 160, 60
    for near, far in ((light, dark), (dark, light)):
        same, other = SourceFace(rgb=near, mesh=mesh), SourceFace(rgb=far, mesh=turned)
        for seed in range(3):
            # Half of all are looked at, so one that looks the same way is always among them.
            done = self_warped(frames, [mesh] * SPAN, [same, same, same, other], seed)
            assert np.array_equal(done, self_warped(frames, [mesh] * SPAN, [same] * 4, seed))
            apart = np.abs(done.astype(int) - frames).mean(axis=(0, 3))
            assert apart[56:72, 56:72].mean() > 1
            assert apart[:8].mean() == 0
    with pytest.raises(ValueError, match="no picture"):
        self_warped(frames, [mesh] * SPAN, [], 1)


def test_crops_are_read_as_they_were_written(tmp_path: Path) -> None:
    rgb = some_frames(3, SIZE)
    write_frames(crops_path(tmp_path, 7, "real", "light"), rgb=rgb, frame=np.arange(3))
    read = read_crops(tmp_path, 7, "real", "light")
    assert np.array_equal(read.rgb, rgb)
    assert read.frame.tolist() == [0, 1, 2]
    write_frames(crops_path(tmp_path, 8, "real", "light"), rgb=rgb[:0], frame=np.arange(0))
    assert read_crops(tmp_path, 8, "real", "light").rgb.shape == (0, SIZE, SIZE, 3)


def test_stills_are_learned_from_where_they_are_asked_for(tmp_path: Path) -> None:
    rgb, frame = some_frames(3, SIZE), SPAN * np.arange(3)
    for way in ("light", "still"):
        write_frames(crops_path(tmp_path, 1, "real", way), rgb=rgb, frame=frame)
        write_frames(crops_path(tmp_path, 1, "self", way), rgb=rgb + 9, frame=frame)
    people = [Person(number=1)]
    assert [pair.way for pair in read_pairs(tmp_path, people, ["self"])] == ["light"]
    pairs = read_pairs(tmp_path, people, ["self"], with_stills=True)
    assert [pair.way for pair in pairs] == ["light", "still"]
    # No still follows another.
    assert next_places(pairs[1].real.frame).tolist() == [0, 1, 2]


def test_a_training_that_goes_on_leaves_the_first_blocks() -> None:
    network = DetectorNet()
    keep_first_blocks(network)
    assert not network.stem.weight.requires_grad
    assert not any(each.requires_grad for each in network.blocks[2].parameters())
    assert all(each.requires_grad for each in network.blocks[3].parameters())
    assert network.coarse_evidence.weight.requires_grad


def test_a_face_is_cut_wherever_there_is_a_mesh() -> None:
    meshes = np.stack([a_mesh()] * SPAN)
    meshes[2] = np.nan
    crops = crops_of(some_frames(), meshes, 1.0, 1)
    assert crops.rgb.shape == (SPAN - 1, SIZE, SIZE, 3)
    assert crops.frame.tolist() == [0, 1, 3, 4, 5, 6, 7]


def test_the_next_face_is_of_the_same_span() -> None:
    frame = np.array([0, 1, 3, SPAN - 1, SPAN, SPAN + 1])
    assert next_places(frame).tolist() == [1, 1, 2, 3, 5, 5]


def test_a_batch_holds_pairs_that_differ_by_the_alteration_alone() -> None:
    rgb = some_frames(SPAN, SIZE)
    real = Crops(rgb=rgb, frame=np.arange(SPAN))
    altered = Crops(rgb=rgb + 12, frame=np.arange(SPAN))
    pair = Pair(person=0, way="light", method="base", real=real, altered=altered, differs=np.ones(SPAN, bool))
    (given, motion), wanted = draw_batch({"base": [pair]}, np.random.default_rng(2))
    assert wanted.tolist() == [0.0] * PAIRS + [1.0] * PAIRS
    apart = given[PAIRS:] - given[:PAIRS]
    assert apart.std(dim=(1, 2, 3)).max() < 0.05
    assert apart.mean() > 0.05
    torch.testing.assert_close(motion[PAIRS:], motion[:PAIRS], rtol=0, atol=0.05)


def test_evidence_is_of_each_face() -> None:
    crops = Crops(rgb=np.zeros((5, SIZE, SIZE, 3), np.uint8), frame=np.arange(5))
    evidence, looks = evidence_of(DetectorNet().eval(), crops, every=2)
    assert evidence.shape == (3,)
    assert len(looks) == 3


def test_figures_of_known_scores() -> None:
    assert area_under_curve([0, 1], [2, 3]) == 1
    assert area_under_curve([0, 1], [0, 1]) == 0.5
    assert area_under_curve([2, 3], [0, 1]) == 0
    assert equal_error([0, 1, 2, 3], [4, 5, 6, 7]) == 0
    assert equal_error([0, 1, 2, 5], [3, 6, 7, 8]) == pytest.approx(0.25)
    assert calibration_error([0.95] * 10, [True] * 10) == pytest.approx(0.05)
    assert calibration_error([0.95] * 10, [False] * 10) == pytest.approx(0.95)


def test_scores_follow_how_often_it_is_so() -> None:
    rng = np.random.default_rng(1)
    untouched, altered = rng.normal(-1, 1, 4000), rng.normal(1, 1, 4000)
    scale, shift = logistic(untouched.tolist(), altered.tolist())
    # Two normal curves of spread 1, two apart: the logit is twice the evidence.
    assert scale == pytest.approx(2, abs=0.15)
    assert score_of(0, scale, shift) == pytest.approx(0.5, abs=0.03)


def test_a_few_in_a_hundred_of_what_is_familiar_lie_beyond_the_limit() -> None:
    looks = np.random.default_rng(1).normal(0, 1, (4000, 20)).astype(np.float32)
    tested = familiar_looks(looks[:2000], looks[2000:])
    beyond = tested.distance(torch.from_numpy(looks[2000:])) > 1
    assert beyond.float().mean() == pytest.approx(1 - FAMILIAR, abs=0.002)
    assert tested.distance(torch.from_numpy(looks[:5] + 9)).min() > 1
