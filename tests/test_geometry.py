import numpy as np
import pytest

from countenance.geometry import (
    invert,
    similarity_between,
    similarity_transform,
    square_to_crop,
    transform_points,
    warp,
)


def test_square_to_crop_puts_the_centre_in_the_centre_and_levels_the_tilt() -> None:
    # Eyes of a head that is tilted counter-clockwise by 20°: the right one is higher.
    centre, angle = np.array([120.0, 80.0]), np.deg2rad(20)
    eyes = (
        centre
        + np.array([[-1, 0], [1, 0]]) @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * 30
    )
    assert eyes[1, 1] < eyes[0, 1]
    transform = square_to_crop(centre, 100.0, 20.0, 50)
    moved = transform_points(transform, np.vstack([centre, eyes]))
    assert moved[0] == pytest.approx([24.5, 24.5], abs=1e-4)
    assert moved[1:] == pytest.approx(np.array([[9.5, 24.5], [39.5, 24.5]]), abs=1e-3)


def test_invert_leads_back() -> None:
    transform = square_to_crop(np.array([10.0, 20.0]), 37.0, -15.0, 64)
    points = np.array([[0, 0], [5, 9], [100, 3]], np.float32)
    assert transform_points(invert(transform), transform_points(transform, points)) == pytest.approx(points, abs=1e-3)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_similarity_is_recovered_exactly(dimensions: int) -> None:
    random = np.random.default_rng(5)
    points = random.normal(size=(9, dimensions))
    rotation = np.linalg.qr(random.normal(size=(dimensions, dimensions)))[0]
    if np.linalg.det(rotation) < 0:
        rotation[:, 0] *= -1
    shift = random.normal(size=dimensions)
    found = similarity_between(points, 2.5 * points @ rotation.T + shift)
    assert found[0] == pytest.approx(2.5)
    assert found[1] == pytest.approx(rotation)
    assert found[2] == pytest.approx(shift)


def test_similarity_never_mirrors() -> None:
    points = np.array([[0.0, 0], [1, 0], [0, 1]])
    transform = similarity_transform(points, points * [-1, 1])
    assert np.linalg.det(transform[:, :2]) > 0


def test_warp_by_a_whole_pixel_is_exact() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (8, 9, 3), np.uint8)
    moved = warp(rgb, np.array([[1, 0, 2], [0, 1, 1]], np.float32), (9, 8))
    assert np.array_equal(moved[1:, 2:], rgb[:-1, :-2])
