from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
import pytest
from jaxtyping import Float32

from countenance.bench.classical import (
    RESOLUTION,
    ClassicalDrawer,
    mesh_triangles,
    shaded_like,
    split_pose,
    warp_mesh,
)
from countenance.demo import data_folder
from countenance.geometry import transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.types import AlignedFace
from countenance.vision.align import canonical_mesh, cut, frame_to_crop, head_pose
from countenance.vision.landmarks import FaceFinder
from countenance.vision.light import even_light
from countenance.vision.mask import face_mask
from tests.support.drawers import face_input


@pytest.fixture(scope="module")
def find_faces() -> FaceFinder:
    return FaceFinder()


def aligned_faces(name: str, find_faces: FaceFinder, *, first: int, step: int, count: int) -> Iterator[AlignedFace]:
    frames = islice(read_frames(probe(data_folder() / name), first_index=first), 0, step * count, step)
    for frame in frames:
        landmarks_xyz = find_faces(frame.rgb)[0].landmarks_xyz
        pose = head_pose(landmarks_xyz)
        to_crop = frame_to_crop(pose, RESOLUTION)
        mask = face_mask(transform_points(to_crop, landmarks_xyz[:, :2]), (RESOLUTION, RESOLUTION))
        yield AlignedFace(rgb=cut(frame.rgb, pose, RESOLUTION), mask=mask, visible=mask, frame_to_crop=to_crop)


def placed_mesh(scale: float = 55.0) -> Float32[np.ndarray, "468 3"]:
    """The canonical head in the middle of a crop."""
    return canonical_mesh() * scale + np.array([RESOLUTION / 2, RESOLUTION / 2, 0], np.float32)


def test_triangles_cover_the_mesh_once() -> None:
    triangles = mesh_triangles()
    corners = canonical_mesh()[triangles][..., :2]
    sides = corners[:, 1:] - corners[:, :1]
    areas = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
    hull = cv2.convexHull(np.ascontiguousarray(canonical_mesh()[:, :2]))
    assert len(np.unique(triangles)) == 468
    assert areas.sum() == pytest.approx(cv2.contourArea(hull), rel=0.02)


def test_warp_onto_itself_changes_nothing() -> None:
    random = np.random.default_rng(1)
    picture = cv2.GaussianBlur(random.integers(0, 255, (RESOLUTION, RESOLUTION, 3), np.uint8), (0, 0), 3)
    mesh = placed_mesh()
    drawn, coverage = warp_mesh(picture, mesh[:, :2], mesh)
    inside = coverage > 0.99
    assert inside.mean() > 0.2
    assert np.abs(drawn[inside] * 255 - picture[inside]).max() < 1.5


def test_warp_moves_the_picture_with_the_mesh() -> None:
    picture = np.zeros((RESOLUTION, RESOLUTION, 3), np.uint8)
    picture[120:136, 120:136] = 255
    mesh = placed_mesh()
    drawn, _ = warp_mesh(picture, mesh[:, :2], mesh + np.array([9, -5, 0], np.float32))
    rows, columns = np.nonzero(drawn[..., 0] > 0.5)
    assert (columns.mean(), rows.mean()) == pytest.approx((127.5 + 9, 127.5 - 5), abs=0.3)


def test_near_triangles_cover_far_ones() -> None:
    """A head turned by 60°: the far cheek lies behind the nose, and what is painted there is the nose."""
    mesh = canonical_mesh()
    turn = np.deg2rad(60)
    rotation = np.array([[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]])
    turned = (mesh @ rotation.T * 55 + np.array([RESOLUTION / 2, RESOLUTION / 2, 0])).astype(np.float32)
    flat = placed_mesh()
    nose, radius = flat[4, :2], 6
    picture = np.zeros((RESOLUTION, RESOLUTION, 3), np.uint8)
    cv2.circle(picture, (round(float(nose[0])), round(float(nose[1]))), radius, (255, 255, 255), -1)
    drawn, _ = warp_mesh(picture, flat[:, :2], turned)
    column, row = np.round(turned[4, :2]).astype(int)
    assert drawn[row - 1 : row + 2, column - 1 : column + 2].max() > 0.9


def test_pose_and_face_come_apart_and_together() -> None:
    mesh = placed_mesh()
    posed = split_pose(mesh)
    assert np.allclose(posed.face, canonical_mesh(), atol=1e-4)
    assert np.allclose(posed.placed(posed.face), mesh, atol=1e-3)


def test_shade_follows_the_other_picture_and_detail_stays() -> None:
    columns = np.linspace(0.2, 0.8, RESOLUTION, dtype=np.float32)
    lit = np.repeat(np.tile(columns, (RESOLUTION, 1))[..., None], 3, axis=2)
    flat = np.full_like(lit, 0.5)
    flat[128:132] = 0.3
    shaded = shaded_like(flat, lit, np.ones(lit.shape[:2], np.float32))
    assert np.abs(shaded[60, 40:-40] - lit[60, 40:-40]).max() < 0.05
    assert (shaded[100, 128] - shaded[130, 128]).min() > 0.1


def test_draws_the_nearest_face_in_the_performers_place(find_faces: FaceFinder) -> None:
    likeness = list(aligned_faces("zuri_training.mp4", find_faces, first=130, step=5, count=8))
    performer = list(aligned_faces("kofi_training.mp4", find_faces, first=180, step=5, count=4))
    drawer = ClassicalDrawer(likeness, performer, find_faces)
    crop = even_light(performer[0].rgb, performer[0].mask)
    (face,) = drawer([face_input(crop, performer[0].mask)])
    rgb, mask = face.rgb, face.mask
    assert 0.1 < mask.mean() < 0.6
    drawn = np.round(rgb * 255).astype(np.uint8)
    found, wanted = (
        find_faces(np.pad(p, ((64, 64), (64, 64), (0, 0)), "edge"))[0].landmarks_xyz for p in (drawn, crop)
    )
    # The performer's place and pose, but not the performer's picture.
    assert np.abs(found[:, :2].mean(axis=0) - wanted[:, :2].mean(axis=0)).max() < 6
    assert np.abs(drawn[mask > 0.9].astype(np.float32) - crop[mask > 0.9]).mean() > 5


def test_without_a_face_nothing_is_drawn(find_faces: FaceFinder) -> None:
    likeness = list(aligned_faces("zuri_training.mp4", find_faces, first=140, step=1, count=2))
    drawer = ClassicalDrawer(likeness, likeness, find_faces)
    grey = np.full((RESOLUTION, RESOLUTION, 3), 128, np.uint8)
    (face,) = drawer([face_input(grey, np.ones((RESOLUTION, RESOLUTION), np.float32))])
    assert face.mask.max() == 0
