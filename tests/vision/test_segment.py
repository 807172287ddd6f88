"""The segmenter on an actor that it never saw, and the mask that follows."""

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster, Picture
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.footage import REFERENCE_SHOT
from countenance.actors.performance import still
from countenance.errors import ModelError
from countenance.geometry import transform_points, warp
from countenance.vision import segment
from countenance.vision.align import frame_to_crop, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.mask import face_mask
from countenance.vision.networks import weights_folder
from countenance.vision.parts import FACE_PARTS, Part
from countenance.vision.segment import MIN_SURENESS, Segmenter, SegmentNet, Segments, choose_mask, fused, grown

UNSEEN = 930
"""None of the actors that the network learned from."""
SIZE, CROP = 384, 256


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter()


@pytest.fixture(scope="module")
def picture() -> Picture:
    figure = build_figure(draw_actor(UNSEEN))
    posed = pose_figure(figure, still(20.0, units={"jawOpen": 0.5}), 0)
    return Caster(figure).draw(posed, REFERENCE_SHOT.camera, REFERENCE_SHOT.light, SIZE)


def crops_of(picture: Picture) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Crop, hull, exact labels and exact mask, as the mesh finds the face."""
    (face,) = FaceFinder()(picture.rgb)
    transform = frame_to_crop(head_pose(face.landmarks_xyz), CROP)
    hull = face_mask(transform_points(transform, face.landmarks_xyz[:, :2]), (CROP, CROP))
    labels = cv2.warpAffine(picture.labels, transform, (CROP, CROP), flags=cv2.INTER_NEAREST)
    mask = cv2.warpAffine(picture.face_mask, transform, (CROP, CROP))
    return warp(picture.rgb, transform, (CROP, CROP)), hull, np.asarray(labels), np.asarray(mask)


def iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def enlarged(labels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.resize(labels, (CROP, CROP), interpolation=cv2.INTER_NEAREST))


def test_the_mask_is_the_face_and_better_than_the_hull(segmenter: Segmenter, picture: Picture) -> None:
    crop, hull, labels, mask = crops_of(picture)
    (segments,) = segmenter([crop], [hull])
    assert segments.face.shape == (CROP, CROP)
    found_labels = enlarged(segments.labels)
    chosen = choose_mask(segments, hull)
    assert chosen.origin == "segmenter"
    assert chosen.occluded_fraction < 0.03
    found = iou(chosen.mask > 0.5, mask > 0.5)
    assert found > 0.93
    assert found > iou(hull > 0.5, mask > 0.5) + 0.03
    assert iou(np.isin(found_labels, FACE_PARTS), np.isin(labels, FACE_PARTS)) > 0.93
    for part, least in ((Part.LIPS, 0.6), (Part.MOUTH, 0.5), (Part.EYE, 0.5), (Part.HAIR, 0.5)):
        assert iou(found_labels == part, labels == part) > least, part
    # Borders are soft, and only borders.
    assert 0.005 < ((segments.face > 0.1) & (segments.face < 0.9)).mean() < 0.15


def test_what_lies_in_front_is_left_out(segmenter: Segmenter, picture: Picture) -> None:
    crop, hull, _, mask = crops_of(picture)
    bar = np.zeros((CROP, CROP), bool)
    bar[150:185] = True
    covered = crop.copy()
    covered[bar] = (40, 90, 150)
    (segments,) = segmenter([covered], [hull])
    chosen = choose_mask(segments, hull)
    inside = bar & (hull > 0.5)
    assert (enlarged(segments.labels)[inside] == Part.OCCLUDER).mean() > 0.85
    assert chosen.mask[inside].mean() < 0.1
    assert chosen.occluded_fraction == pytest.approx(float(inside.sum() / hull.sum()), abs=0.06)
    assert iou(chosen.mask > 0.5, (mask > 0.5) & ~bar) > 0.9


def test_where_it_is_unsure_the_hull_is_taken_and_it_says_so(segmenter: Segmenter) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (CROP, CROP, 3), dtype=np.uint8)
    hull = np.zeros((CROP, CROP), np.float32)
    hull[60:200, 70:190] = 1
    (segments,) = segmenter([noise], [hull])
    assert segments.sureness < MIN_SURENESS
    chosen = choose_mask(segments, hull)
    assert chosen.origin == "hull"
    assert np.array_equal(chosen.mask, hull)


def test_faces_are_looked_at_one_by_one(segmenter: Segmenter, picture: Picture) -> None:
    crop, hull, _, _ = crops_of(picture)
    crops, hulls = [crop, crop[:, ::-1].copy()] * 5, [hull, hull[:, ::-1].copy()] * 5
    found = segmenter(crops, hulls)
    assert len(found) == 10
    for number in (0, 8, 9):
        (alone,) = segmenter([crops[number]], [hulls[number]])
        assert np.abs(alone.face - found[number].face).max() < 1e-3
        assert alone.sureness == pytest.approx(found[number].sureness, abs=1e-3)
    assert not segmenter([], [])


def test_a_crop_of_another_size_says_the_same(segmenter: Segmenter, picture: Picture) -> None:
    crop, hull, _, _ = crops_of(picture)
    (large,) = segmenter([crop], [hull])
    half = segment.INPUT_SIZE
    crop, hull = (np.asarray(cv2.resize(each, (half, half), interpolation=cv2.INTER_AREA)) for each in (crop, hull))
    (small,) = segmenter([crop], [hull])
    assert small.labels.shape == (half, half)
    assert iou(small.face > 0.5, cv2.resize(large.face, (half, half)) > 0.5) > 0.98


def made_up(labels: np.ndarray) -> Segments:
    return Segments(labels=labels, face=np.isin(labels, FACE_PARTS).astype(np.float32), sureness=0.95)


def test_glasses_do_not_count_as_occlusion_but_hands_and_hair_do() -> None:
    hull = np.zeros((100, 100), np.float32)
    hull[30:80, 30:70] = 1
    labels = np.full((100, 100), Part.SKIN, np.uint8)
    labels[40:45] = Part.GLASSES
    labels[60:65] = Part.OCCLUDER
    labels[70:80] = Part.HAIR
    chosen = choose_mask(made_up(labels), hull)
    assert chosen.occluded_fraction == pytest.approx(15 / 50)
    assert chosen.mask[40:45].max() == chosen.mask[60:65].max() == chosen.mask[70:80].max() == 0
    assert choose_mask(made_up(labels), np.zeros_like(hull)).occluded_fraction == 0


def test_the_forehead_belongs_to_the_face_and_a_second_face_does_not() -> None:
    hull = np.zeros((200, 200), np.float32)
    cv2.ellipse(hull, (100, 110), (50, 60), 0, 0, 360, 1.0, -1)
    everything = made_up(np.full((200, 200), Part.SKIN, np.uint8))
    chosen = choose_mask(everything, hull)
    assert chosen.mask[hull == 1].min() == 1
    assert chosen.mask[25, 100] == 1
    assert chosen.mask[195, 100] == chosen.mask[110, 20] == chosen.mask[110, 180] == chosen.mask[:5].max() == 0
    assert np.array_equal(grown(np.zeros_like(hull)), np.zeros_like(hull))


def test_norms_inside_of_convolutions_say_the_same() -> None:
    torch.manual_seed(1)
    network = SegmentNet()
    x = torch.randn(4, 3, 128, 128)
    network(x)
    network.eval()
    with torch.inference_mode():
        assert torch.allclose(network(x), fused(network)(x), atol=1e-4)
    assert isinstance(network.full[1], torch.nn.BatchNorm2d)


def test_damaged_weights_are_an_error_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "weights_folder", lambda: tmp_path)
    for content in (None, b"", b"no weights"):
        if content is not None:
            (tmp_path / segment.WEIGHTS_NAME).write_bytes(content)
        with pytest.raises(ModelError, match="install countenance again"):
            Segmenter()


def test_the_shipped_weights_are_the_listed_ones() -> None:
    path = weights_folder() / segment.WEIGHTS_NAME
    line = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}"
    assert line in (weights_folder() / "SHA256SUMS").read_text().splitlines()
    assert path.stat().st_size < 1_500_000


def test_nothing_of_a_face_is_left_when_all_is_hidden() -> None:
    hull = np.ones((50, 50), np.float32)
    hidden = made_up(np.full((50, 50), Part.OCCLUDER, np.uint8))
    assert choose_mask(hidden, hull).occluded_fraction == 1
    assert choose_mask(hidden, hull).mask.max() == 0
    unsure = replace(hidden, sureness=MIN_SURENESS - 0.01)
    assert choose_mask(unsure, hull).origin == "hull"
