"""The detector on files: what it looks at, what it answers, and that it judges files only."""

import ast
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from countenance.errors import ModelError
from countenance.forensics.card import CARD_NAME, weights_folder
from countenance.forensics.detector import NUM_NEAREST, WEIGHTS_NAME, Detector, Familiar, Judged, find_signs
from countenance.forensics.network import MAP_SIZE, SIZE, DetectorNet, as_input
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from tests.support.videos import write_video

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "tests/data/portrait.jpg"
MAY_IMPORT = {
    "src/countenance/forensics",
    "src/countenance/steps",
    "src/countenance/cli",
    "src/countenance/lesson",
    "src/countenance/studio/verify.py",
    "tools/detector",
    "tools/make_verify_pictures.py",
    "tools/measure_traces.py",
}
LARGEST_BYTES = 5_000_000


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def test_each_place_has_its_evidence() -> None:
    network = DetectorNet().eval()
    crops = torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8)
    maps, looks = network(*as_input(crops, crops, torch.zeros(2)))
    assert maps.shape == (2, MAP_SIZE, MAP_SIZE)
    assert looks.shape[0] == 2


def test_a_face_without_a_next_one_shows_no_motion() -> None:
    now, after = (torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8) for _ in range(2))
    _, motion = as_input(now, after, torch.tensor([0.0, 1.0]))
    assert not motion[0].any()
    assert motion[1].any()


def test_weights_of_another_version_are_told(tmp_path: Path) -> None:
    save_file({"stem.weight": torch.zeros(1)}, tmp_path / WEIGHTS_NAME)
    with pytest.raises(ModelError, match="install countenance again"):
        Detector(tmp_path)


def test_it_is_small() -> None:
    folder = weights_folder()
    assert sum((folder / name).stat().st_size for name in (WEIGHTS_NAME, CARD_NAME)) < LARGEST_BYTES


def test_a_picture_has_one_moment(detector: Detector) -> None:
    signal = find_signs(probe(PORTRAIT), detector)
    assert signal.why_not is None
    assert signal.num_frames == 1
    (track,) = signal.tracks
    (look,) = track.faces
    assert look.rgb.shape == (SIZE, SIZE, 3)
    assert look.heat.shape == (MAP_SIZE, MAP_SIZE)
    assert 0 <= look.heat.min() <= look.heat.max() <= 1
    assert 0 < look.score < 1
    assert track.score == pytest.approx(look.score)
    left, top, width, height = look.box_xywh
    assert 0.2 < left + width / 2 < 0.8
    assert 0.1 < top + height / 2 < 0.6


def test_a_photograph_of_a_real_person_is_unfamiliar(detector: Detector) -> None:
    (track,) = find_signs(probe(PORTRAIT), detector).tracks
    assert track.distance > 1


def test_what_was_rendered_is_familiar(detector: Detector, demo_data: Path) -> None:
    signal = find_signs(probe(demo_data / "performance.mp4"), detector)
    assert len(signal.tracks) == 1
    assert signal.tracks[0].distance < 1


def test_a_face_is_followed_through_a_file(detector: Detector, demo_data: Path) -> None:
    info = probe(demo_data / "performance.mp4")
    signal = find_signs(info, detector)
    (track,) = signal.tracks
    times = [look.time_s for look in track.faces]
    assert times == sorted(times)
    assert track.first_s == times[0]
    assert track.last_s == times[-1]
    assert track.last_s > 0.6 * float(info.duration)
    evidence = [np.log(look.score / (1 - look.score)) for look in track.faces]
    assert track.score == pytest.approx(1 / (1 + np.exp(-np.mean(evidence))))


def test_of_a_long_file_no_more_is_looked_at(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (frame,) = read_frames(probe(PORTRAIT))
    picture = np.asarray(cv2.resize(frame.rgb, (128, 128)), np.uint8)
    path = write_video(tmp_path / "long.mp4", [picture] * 200)
    num_judged = 0
    judge = Detector.judge

    def counted(self: Detector, crops: Sequence[np.ndarray], after: Sequence[np.ndarray | None]) -> list[Judged]:
        nonlocal num_judged
        num_judged += 1
        return judge(self, crops, after)

    monkeypatch.setattr(Detector, "judge", counted)
    signal = find_signs(probe(path), detector)
    assert signal.num_frames == num_judged == 32


def test_frames_are_numbered_as_they_stand_in_a_file_of_variable_rate(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (frame,) = read_frames(probe(PORTRAIT))
    picture = np.asarray(cv2.resize(frame.rgb, (512, 512)), np.uint8)
    # Four frames fast after each other, then slow ones, so that by the mean rate the first four were one.
    path = write_video(tmp_path / "phone.mp4", [picture] * 8, pts=[0, 1, 2, 3, 1000, 2000, 3000, 4000])
    (track,) = find_signs(probe(path), detector).tracks
    assert [look.frame for look in track.faces] == list(range(8))
    monkeypatch.setattr("countenance.forensics.detector.MOST_DECODED", 7)
    monkeypatch.setattr("countenance.forensics.detector.NUM_PLACES", 1)
    (track,) = find_signs(probe(path), detector).tracks
    assert {look.frame for look in track.faces} == {None}


def test_a_narrow_picture_is_not_enlarged(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "line.png"
    cv2.imwrite(str(path), np.full((3000, 1, 3), 128, np.uint8))
    tracemalloc.start()
    find_signs(probe(path), detector)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 50e6


def test_of_a_crowd_the_largest_are_judged(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countenance.forensics.detector.MOST_FACES", 0)
    signal = find_signs(probe(PORTRAIT), detector)
    assert (signal.tracks, signal.num_left_out) == ((), 1)


def test_what_has_no_face_has_no_track(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), 128, np.uint8))
    signal = find_signs(probe(path), detector)
    assert signal.tracks == ()
    assert signal.num_frames == 1


def test_distance_is_that_to_the_nearest_tested_faces() -> None:
    tested = Familiar(
        centre=torch.tensor([1.0, 2.0]),
        spread=torch.tensor([1.0, 2.0]),
        faces=torch.cat([torch.zeros(NUM_NEAREST, 2), torch.full((NUM_NEAREST, 2), 9.0)]),
        limit=torch.tensor([2.0]),
    )
    assert tested.distance(torch.tensor([[1.0, 2.0], [1.0, 6.0]])).tolist() == pytest.approx([0.0, 1.0])


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_nothing_that_draws_faces_knows_the_detector() -> None:
    knowing = {
        str(path.relative_to(ROOT))
        for folder in ("src", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if any(name.startswith(("countenance.forensics", "tools.detector")) for name in imported(path))
    }
    assert knowing
    assert not [path for path in knowing if not any(path.startswith(room) for room in MAY_IMPORT)]


def test_what_trains_the_detector_trains_no_generator() -> None:
    drawing = ("countenance.model", "countenance.composite", "countenance.drawing", "tools.base")
    learning = [path for path in (ROOT / "tools/detector").glob("*.py") if "optim" in path.read_text()]
    train = ROOT / "tools/detector/train.py"
    assert train in learning
    assert not [name for name in imported(train) if name.startswith(drawing)]
