"""The tool that measures and trains mesh nets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from countenance.vision.align import canonical_mesh
from countenance.vision.networks import TfliteNet, weights_folder
from tools.mesh.attention import REGIONS, WINDOW, FileNet, cut_out, window_of
from tools.mesh.dataset import Crop, bent_crop, mirrored
from tools.mesh.measure import mirrored_numbers
from tools.mesh.network import GraphNet, between, cut_model, read_model
from tools.mesh.train import aim

MODEL = weights_folder() / "face_landmark.tflite"


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    smooth = np.random.default_rng(5).random((6, 6, 3), np.float32)
    return np.asarray(np.kron(smooth, np.ones((32, 32, 1), np.float32)))[None]


def front() -> np.ndarray:
    return np.asarray(canonical_mesh() * 40 + np.array([96, 96, 0]), np.float32)


def test_pytorch_runs_a_file_as_litert_does(crop: np.ndarray) -> None:
    expected = TfliteNet("face_landmark")(crop)
    with torch.inference_mode():
        found = GraphNet(MODEL)(torch.from_numpy(crop).permute(0, 3, 1, 2))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.numpy().ravel(), other.ravel(), atol=2e-3)


def test_changed_weights_reach_the_file(crop: np.ndarray, tmp_path: Path) -> None:
    net = GraphNet(MODEL)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(1.01)
        net.save(tmp_path / "changed.tflite")
        expected = net(torch.from_numpy(crop).permute(0, 3, 1, 2))[0].numpy().ravel()
    found = FileNet(tmp_path / "changed.tflite")(crop)[0].ravel()
    # Weights are stored in float16.
    np.testing.assert_allclose(found, expected, atol=0.5)
    assert np.abs(TfliteNet("face_landmark")(crop)[0].ravel() - expected).max() > 2


def test_a_model_cut_in_two_finds_the_same(crop: np.ndarray, tmp_path: Path) -> None:
    graph = read_model(MODEL).subgraphs[0]
    (image,), outputs = graph.inputs.tolist(), graph.outputs.tolist()
    middle = int(between(graph, [image], outputs)[40].outputs[0])
    # Somewhere in the middle there is a tensor through which everything goes.
    while middle == image or any(image in op.inputs for op in between(graph, [middle], outputs)):
        middle += 1
    cut_model(MODEL, [image], [middle], tmp_path / "first.tflite")
    cut_model(MODEL, [middle], outputs, tmp_path / "second.tflite")
    halves = FileNet(tmp_path / "second.tflite")(*FileNet(tmp_path / "first.tflite")(crop))
    for one, other in zip(halves, TfliteNet("face_landmark")(crop), strict=True):
        np.testing.assert_allclose(one.ravel(), other.ravel(), atol=1e-3)


def test_a_window_lies_around_its_region_and_turns_with_it() -> None:
    points = front()[:, :2] / 4
    turn = np.array([[0, -1], [1, 0]], np.float32)
    for region in REGIONS:
        window = window_of(points, region)
        in_window = (points[list(region.numbers)] - window[:, 2]) @ np.linalg.inv(window[:, :2]).T
        assert in_window.min() == pytest.approx(WINDOW * (0.5 - 0.5 / 1.5), abs=1e-3)
        assert in_window.max() == pytest.approx(WINDOW * (0.5 + 0.5 / 1.5), abs=1e-3)
        turned = window_of(points @ turn.T, region)
        np.testing.assert_allclose(turned[:, :2], turn @ window[:, :2], atol=1e-4)


def test_a_cut_out_is_interpolated_and_zero_outside() -> None:
    rows, columns = np.mgrid[:48, :48].astype(np.float32)
    features = np.dstack([columns, rows])
    # Two cells of the window a cell of the features, from the features' middle on.
    window = np.array([[0.5, 0, 24], [0, 0.5, 24]], np.float32)
    np.testing.assert_allclose(cut_out(features, window)[3, 5], [24 + 2.75 - 0.5, 24 + 1.75 - 0.5], atol=1e-4)
    outside = np.array([[0.5, 0, 44], [0, 0.5, 24]], np.float32)
    assert (cut_out(features, outside)[:, -1] == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_bent_face_takes_its_points_along(seed: int) -> None:
    points = front()
    number = 4
    frame = np.zeros((192, 192, 3), np.uint8)
    x, y = points[number, :2].round().astype(int)
    points[number, :2] = x, y
    frame[y - 1 : y + 2, x - 1 : x + 2] = 255
    crop = bent_crop(frame, frame, points, np.random.default_rng(seed))
    weights = crop.rgb[..., 0].astype(float)
    rows, columns = np.mgrid[:192, :192]
    middle = [(weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()]
    np.testing.assert_allclose(crop.points_xyz[number, :2], middle, atol=0.5)


def test_a_mirror_image_twice_is_the_crop() -> None:
    partner = mirrored_numbers()
    assert (partner[partner] == np.arange(468)).all()
    rgb = np.random.default_rng(2).integers(0, 256, (192, 192, 3), np.uint8)
    crop = Crop(rgb=rgb, clean=rgb, points_xyz=front())
    twice = mirrored(mirrored(crop, partner), partner)
    np.testing.assert_array_equal(twice.rgb, crop.rgb)
    np.testing.assert_allclose(twice.points_xyz, crop.points_xyz, atol=1e-4)
    # The right eye's corner stands where the left one's was.
    assert np.abs(mirrored(crop, partner).points_xyz[33] - crop.points_xyz[33])[:2].max() < 3


def test_the_teacher_is_believed_where_it_is_nearly_right() -> None:
    rgb = np.zeros((192, 192, 3), np.uint8)
    crop = Crop(rgb=rgb, clean=rgb, points_xyz=front())
    wide = float(np.linalg.norm(front()[33] - front()[263]))
    taught = front()
    taught[10, 0] += 0.02 * wide
    taught[20, 0] += 0.5 * wide
    aimed = aim(crop, taught, 0.07)
    assert aimed[10, 0] == pytest.approx(taught[10, 0], abs=0.001 * wide)
    assert aimed[20, 0] == pytest.approx(crop.points_xyz[20, 0], abs=0.001 * wide)
    np.testing.assert_allclose(aim(crop, taught, 0)[:, :2], crop.points_xyz[:, :2])
