"""The nets that only the judge knows: what they give, whom they separate, and that nothing else uses them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import countenance
from countenance.bench.judge import unseen
from countenance.bench.judge.measure import Judge
from countenance.bench.judge.metrics import Mask, Rgb
from countenance.bench.judge.unseen import UnseenFeatures, UnseenIdentity, cut_unseen_chip, weights_folder
from countenance.demo import data_folder
from countenance.demo.compare import pictures
from countenance.errors import ModelError

PEOPLE = ("kofi", "zuri", "mira")


@pytest.fixture(scope="module")
def embeddings(judge: Judge) -> dict[str, np.ndarray]:
    """A few of each actor's training frames."""
    net, found = UnseenIdentity(), {}
    for name in PEOPLE:
        chips = []
        for rgb in list(pictures(data_folder() / f"{name}_training.mp4"))[::40]:
            chips += [cut_unseen_chip(rgb, face.landmarks_xyz[:, :2]) for face in judge.find_faces(rgb)[:1]]
        with torch.inference_mode():
            found[name] = net(torch.from_numpy(np.stack(chips)).permute(0, 3, 1, 2).float()).numpy()
    return found


def test_embeddings_have_unit_length(embeddings: dict[str, np.ndarray]) -> None:
    for each in embeddings.values():
        assert each.shape[1] == 1024
        np.testing.assert_allclose(np.linalg.norm(each, axis=1), 1, atol=1e-5)


def test_people_are_further_apart_than_their_own_frames(embeddings: dict[str, np.ndarray]) -> None:
    means = {name: each.mean(axis=0) for name, each in embeddings.items()}
    for name, each in embeddings.items():
        own = np.linalg.norm(each - means[name], axis=1)
        for other in set(PEOPLE) - {name}:
            assert (own < np.linalg.norm(each - means[other], axis=1)).mean() > 0.9


def test_features_are_of_the_announced_sizes_and_of_unit_length() -> None:
    with torch.inference_mode():
        shown = UnseenFeatures()(torch.rand(1, 3, 224, 224) * 255)
    assert [tuple(each.shape[1:]) for each in shown] == [(24, 56, 56), (40, 28, 28), (112, 14, 14)]
    for each in shown:
        torch.testing.assert_close(torch.linalg.vector_norm(each, dim=1), torch.ones(1, *each.shape[2:]))


def test_perceptual_distance_grows_with_blur_noise_and_jpeg(judge: Judge, truths: list[Rgb], masks: list[Mask]) -> None:
    look = judge.look_at_truth(truths[0], masks[0])
    assert look is not None
    noise = np.random.default_rng(1).normal(0, 1, truths[0].shape)

    def jpeg(quality: int) -> Rgb:
        _, stored = cv2.imencode(".jpg", truths[0], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR), np.uint8)

    series = {
        "blur": [np.asarray(cv2.GaussianBlur(truths[0], (0, 0), sigma), np.uint8) for sigma in (0.5, 1, 2, 4)],
        "noise": [np.clip(truths[0] + sigma * noise, 0, 255).astype(np.uint8) for sigma in (3, 6, 12, 24)],
        "JPEG": [jpeg(quality) for quality in (90, 60, 30, 10)],
    }
    for name, worse in series.items():
        distances = [judge.unseen_distance(rgb, look) for rgb in worse]
        assert distances == sorted(distances), name
        assert 0 < distances[0] < distances[-1] < 2, name
    assert judge.unseen_distance(truths[0], look) == pytest.approx(0, abs=1e-5)


def test_damaged_weights_are_an_error_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "weights_folder", lambda: tmp_path)
    for content in (None, b"", b"no weights"):
        if content is not None:
            (tmp_path / "identity.safetensors").write_bytes(content)
        with pytest.raises(ModelError, match="install countenance again"):
            UnseenIdentity()


def test_only_the_judge_knows_them() -> None:
    package = Path(countenance.__file__).parent
    using = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "judge.unseen" in path.read_text(encoding="utf-8")
    }
    assert using == {"bench/judge/measure.py"}
    tools = package.parents[1] / "tools"
    there = {path.relative_to(tools).as_posix() for path in tools.rglob("*.py") if "judge.unseen" in path.read_text()}
    # The detector begins with the feature net's weights: it judges files, and nothing that draws faces may know it.
    # The last one measures, too: whether a witness could be recognised.
    assert there == {"detector/train.py", "fine/detail.py", "make_judges.py", "measure_witness.py"}
    assert sum(path.stat().st_size for path in weights_folder().glob("*.safetensors")) < 10_000_000
