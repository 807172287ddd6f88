"""The tool that measures and trains mesh nets."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from countenance.actors.triples_files import Frames, Motion, References, Triple, write_references, write_triple
from countenance.actors.triples_plan import FRAMES, TriplesSpec, plan_triples
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import canonical_mesh
from countenance.vision.networks import TfliteNet, weights_folder
from tests.faces.test_portrait import PORTRAIT
from tools.mesh import train
from tools.mesh.attention import REGIONS, WINDOW, FileNet, cut_out, window_of
from tools.mesh.dataset import Files, bent_crop
from tools.mesh.degrade import degrade
from tools.mesh.measure import against, finder, in_both_mirrors, move_portrait, on_portrait
from tools.mesh.network import GraphNet, between, cut_model, read_model
from tools.mesh.train import Chunk, MeshNet, Mirror, Run, aim, learn, write
from tools.mirror import mirrored_numbers

CPU = torch.device("cpu")
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


def test_a_mirror_image_twice_is_the_same() -> None:
    mirror, points = Mirror(CPU), torch.from_numpy(front())[None]
    torch.testing.assert_close(mirror(mirror(points)), points, atol=1e-4, rtol=0)
    # The right eye's corner stands where the left one's was.
    assert float((mirror(points) - points)[0, 33, :2].abs().max()) < 3


def test_what_was_taught_is_believed_where_it_is_nearly_right() -> None:
    truth = torch.from_numpy(front())[None]
    truth[..., 2] -= truth[..., 2].mean()
    wide = float((truth[0, 33] - truth[0, 263]).norm())
    taught = truth + torch.tensor([0.0, 0.0, 9.0])
    taught[0, 10, 0] += 0.02 * wide
    taught[0, 20, 0] += 0.5 * wide
    aimed = aim(truth, taught, 0.07)
    assert aimed[0, 10, 0].item() == pytest.approx(taught[0, 10, 0].item(), abs=0.001 * wide)
    assert aimed[0, 20, 0].item() == pytest.approx(truth[0, 20, 0].item(), abs=0.001 * wide)
    torch.testing.assert_close(aimed[..., 2], truth[..., 2], atol=1e-3, rtol=0)
    torch.testing.assert_close(aim(truth, taught, 0), truth)


def test_degraded_images_differ_from_one_another_and_stay_images() -> None:
    torch.manual_seed(3)
    rgb = torch.rand(1, 3, 96, 96).mul(0.2).add(0.4).expand(16, -1, -1, -1)
    degraded = degrade(rgb)
    assert degraded.shape == rgb.shape
    assert degraded.isfinite().all()
    assert degraded.min() >= 0
    assert degraded.max() <= 1
    flat = degraded.flatten(1)
    apart = torch.cdist(flat, flat) + 1e3 * torch.eye(16)
    assert apart.min() > 0.5


def test_degrading_moves_nothing() -> None:
    torch.manual_seed(3)
    spot = torch.zeros(32, 3, 96, 96)
    spot[:, :, 40:56, 20:36] = 1
    grey = degrade(spot).mean(1)
    # Above the ground, which light and noise change.
    grey = (grey - grey.flatten(1).quantile(0.9, dim=1)[:, None, None]).clamp(min=0)
    places, total = torch.arange(96.0), grey.sum((1, 2))
    middle = torch.stack([(grey.sum(1) * places).sum(1), (grey.sum(2) * places).sum(1)], 1) / total[:, None]
    off = (middle - torch.tensor([27.5, 47.5])).norm(dim=1)
    assert off.median() < 1


def test_frames_of_files_that_come_later_are_drawn(tmp_path: Path) -> None:
    def add(seed: int) -> None:
        points = np.stack([front() / 2] * 2)
        grey = np.full((2, 96, 96, 3), seed, np.uint8)
        labels = np.zeros((2, 96, 96), np.uint8)
        np.savez(tmp_path / f"{seed}.npz", rgb=grey, labels=labels, face=labels, landmarks_xyz=points)

    rng = np.random.default_rng(1)
    for seed in (4, 5):
        add(seed)
    files, own = Files(None, tmp_path), Files(None, tmp_path, number=1, of=2)
    assert {int(files.draw(rng)[0].rgb[0, 0, 0, 0]) for _ in range(30)} == {4, 5}
    assert {int(own.draw(rng)[0].rgb[0, 0, 0, 0]) for _ in range(30)} == {5}
    add(6)
    assert 6 in {int(files.draw(rng)[0].rgb[0, 0, 0, 0]) for _ in range(300)}


def test_a_triple_gives_plate_and_truth_with_their_own_points(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    seen = set()
    files, rng = Files(tmp_path, None), np.random.default_rng(2)
    for _ in range(40):
        footage, index = files.draw(rng)
        points = footage.landmarks_xyz[index]
        assert abs(points[:, 2].mean()) < 1e-2
        # Depth is in the scale of the image's plane.
        assert np.ptp(points[:, 2]) == pytest.approx(np.ptp(front()[:, 2]) / 2, rel=0.05)
        seen.add((int(footage.rgb[index, 0, 0, 0]), round(float(points[0, 0] - front()[0, 0] / 2))))
    assert seen == {(10, 0), (20, 7), (30, 7), (40, 0)}


def frames(values: int, shift: float) -> Frames:
    of, side, distance_m, focal = len(FRAMES), 96, 2.0, 4.0
    metres = distance_m / (focal * side)
    return Frames(
        rgb=np.full((of, side, side, 3), values, np.uint8),
        labels=np.zeros((of, side, side), np.uint8),
        face_mask=np.zeros((of, side, side), np.uint8),
        landmarks_xy=np.stack([front()[:, :2] / 2 + np.array([shift, 0], np.float32)] * of),
        landmarks_depth_m=np.stack([distance_m + front()[:, 2] / 2 * metres] * of).astype(np.float32),
        head_to_camera=np.stack([np.eye(4, dtype=np.float32)] * of),
        neutral_xyz_m=front() * metres,
    )


def write_corpus(folder: Path) -> None:
    of = len(FRAMES)
    plan = plan_triples(TriplesSpec(people=2, performances=1, size=96))
    motion = Motion(
        yaw_pitch_roll_deg=np.zeros((of, 3), np.float32),
        gaze_deg=np.zeros((of, 2), np.float32),
        units={"jaw": np.zeros(of, np.float32)},
        focal=np.full(of, 4.0, np.float32),
    )
    for name in ("people", "takes"):
        (folder / name).mkdir()
    (folder / "manifest.json").write_text(json.dumps(plan.facts))
    triple = Triple(
        take=plan.takes[0],
        plate=frames(10, 0),
        truth=frames(20, 7),
        truth_toned_rgb=np.full((of, 96, 96, 3), 30, np.uint8),
        motion=motion,
    )
    write_triple(folder, triple)
    write_references(folder, References(person=plan.people[0], frames=frames(40, 0), motion=motion))


class Made:
    """Crops without files: a bright square whose place says where the face is."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(6)

    def take(self, *, wait: bool) -> list[Chunk]:
        shifts = self._rng.uniform(-20, 20, (4, 1, 2)).astype(np.float32)
        points = np.stack([front()] * 4)
        points[..., 2] -= points[..., 2].mean()
        points[..., :2] += shifts
        rgb = np.zeros((4, 192, 192, 3), np.uint8)
        for image, (x, y) in zip(rgb, (96 + shifts[:, 0]).astype(int), strict=True):
            image[y - 40 : y + 40, x - 40 : x + 40] = 200
        return [Chunk(rgb=rgb, clean=rgb, points_xyz=points)] if wait else []


def test_a_run_learns_and_its_weights_reach_a_file(
    tmp_path: Path, crop: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "degrade", lambda images: images)
    models = {"plain": MODEL, "attention": MODEL}
    chunk = Made().take(wait=True)[0]
    run, mirror, original = Run("plain:0", models, CPU, 1e-3), Mirror(CPU), MeshNet(MODEL)
    images = torch.from_numpy(chunk.rgb).permute(0, 3, 1, 2).float() / 255
    truth = torch.from_numpy(chunk.points_xyz)
    images, truth = torch.cat([images, images.flip(-1)]), torch.cat([truth, mirror(truth)])
    with torch.no_grad():
        old = original(images)
    errors = [float(run.step(images, old, truth, truth, mirror, 0.0)) for _ in range(12)]
    assert errors[-1] < 0.8 * errors[0]

    learn(
        ["plain:0", "plain:0.03"],
        models,
        Made(),
        tmp_path,
        device=CPU,
        batch=2,
        finish_at=time.monotonic() + 1.5,
        capacity=8,
        first_crops=4,
    )
    assert set(torch.load(tmp_path / "trained.pt")) == {"plain:0", "plain:0.03"}
    for share in (0.0, 1.0):
        write(models, tmp_path / "trained.pt", "plain:0", share, tmp_path / f"{share}.tflite")
    as_it_came, trained = (FileNet(tmp_path / f"{share}.tflite")(crop)[0].ravel() for share in (0.0, 1.0))
    np.testing.assert_allclose(as_it_came, TfliteNet("face_landmark")(crop)[0].ravel(), atol=0.2)
    assert np.abs(trained - as_it_came).max() > 0.01


def test_without_crops_a_run_ends_in_time(tmp_path: Path) -> None:
    class Nothing(Made):
        def take(self, *, wait: bool) -> list[Chunk]:
            assert wait
            return []

    models = {"plain": MODEL, "attention": MODEL}
    with pytest.raises(RuntimeError, match="0 crops of 512 came in time"):
        learn(["plain:0"], models, Nothing(), tmp_path, device=CPU, batch=2, finish_at=time.monotonic(), capacity=8)


def test_a_mean_over_a_crop_and_its_mirror_image_is_the_same_in_a_mirror(crop: np.ndarray) -> None:
    both, partner = in_both_mirrors(TfliteNet("face_landmark")), mirrored_numbers()
    straight, flipped = both(crop)[0], both(np.ascontiguousarray(crop[:, :, ::-1]))[0]
    np.testing.assert_allclose(flipped[partner][:, 1:], straight[:, 1:], atol=1e-3)
    np.testing.assert_allclose(191 - flipped[partner][:, 0], straight[:, 0], atol=1e-3)


def test_the_marks_move_with_the_portrait_and_a_worse_net_is_seen_to_be_worse() -> None:
    (frame,) = read_frames(probe(PORTRAIT))
    ways, net = move_portrait(frame.rgb, 4), TfliteNet("face_landmark")

    def three_px_lower(crop: np.ndarray) -> list[np.ndarray]:
        points, logit = (each.copy() for each in net(crop))
        return [points.reshape(468, 3) + np.array([0, 3, 0], np.float32), logit]

    rows, errors = on_portrait(finder(net), frame.rgb, ways)
    _, worse = on_portrait(finder(three_px_lower), frame.rgb, ways)
    marks = errors["portrait, moved, marks by hand"]
    np.testing.assert_allclose(marks, rows["portrait, marks by hand"], atol=1)
    assert errors["portrait, moved, against its mirror image"].max() < 3
    assert errors["portrait, moved, from itself"].max() < errors["portrait, moved and badly filmed, from itself"].max()
    assert (worse["portrait, moved, marks by hand"] > marks + 1).all()


def test_a_difference_comes_with_its_interval() -> None:
    product = np.array([1.0, 2.0, 3.0, 6.0])
    assert against(product, product + 0.5) == "3.50, 3.00; +0.50 ± 0.00"
    assert against(product, product + np.array([-1, 1, -1, 1])) == "3.00, 2.50; +0.00 ± 1.13"
