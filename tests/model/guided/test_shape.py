"""What is estimated of a person's shape, on actors that the estimator has never seen."""

from functools import cache
from pathlib import Path

import pytest
import torch

import countenance.model.guided.shape as shape_module
from countenance.errors import ModelError
from countenance.model.guided.inputs import evened, evenness
from countenance.model.guided.shape import (
    SEEN,
    Shape,
    ShapeEstimator,
    corrected,
    estimate_shape,
    load_estimator,
    seen_in,
)
from countenance.vision.align import cut, head_pose, mesh_in_crop
from countenance.vision.identity import PartsNet, Recogniser
from countenance.vision.landmarks import FaceFinder
from tests.support.made_up import placed_head
from tests.support.videos import clip_of

SIZE = 128


@cache
def estimated(name: str, start: int, count: int) -> Shape:
    find_faces = FaceFinder()
    faces = [(rgb, find_faces(rgb)[0].landmarks_xyz) for rgb in clip_of(name, 48)[start :: 48 // count][:count]]
    crops = torch.stack([torch.from_numpy(cut(rgb, head_pose(found), SIZE)) for rgb, found in faces])
    found = torch.stack([torch.from_numpy(mesh_in_crop(found, head_pose(found), SIZE)) for _, found in faces])
    rgb = crops.permute(0, 3, 1, 2).float() / 255
    rgb = evened(rgb, evenness(rgb, torch.ones_like(rgb[:, 0])))
    estimator = load_estimator()
    return estimate_shape(estimator, seen_in(estimator, PartsNet(Recogniser()), rgb, found))


def test_two_halves_of_a_clip_agree_more_than_two_people() -> None:
    one, other, stranger = estimated("zuri", 0, 6), estimated("zuri", 4, 6), estimated("kofi", 0, 6)
    same = (one.at_rest - other.at_rest).norm(dim=1).mean()
    apart = (one.at_rest - stranger.at_rest).norm(dim=1).mean()
    assert 3 * same < apart


def test_fewer_faces_are_less_sure() -> None:
    assert estimated("zuri", 0, 1).unsure > estimated("zuri", 0, 8).unsure > 0


def test_nothing_moves_between_a_person_and_themselves() -> None:
    person = estimated("kofi", 0, 6)
    assert load_estimator().move(person, person).abs().max() == 0


def test_the_order_of_faces_counts_for_nothing() -> None:
    estimator = load_estimator()
    seen = torch.randn(1, 5, SEEN, generator=torch.Generator().manual_seed(1))
    one, other = (estimator.at_rest(estimator(faces)) for faces in (seen, seen.flip(1)))
    assert torch.allclose(one, other, atol=1e-5)


def test_damaged_weights_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shape.safetensors").write_bytes(b"nothing")
    monkeypatch.setattr(shape_module, "weights_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="install countenance again"):
        load_estimator()


def test_an_estimator_without_components_says_everybodys_mean() -> None:
    estimator = ShapeEstimator().eval()
    estimator.shape_mean.fill_(0.5)
    said = estimator(torch.randn(2, 3, SEEN))
    assert torch.equal(estimator.at_rest(said), torch.full((2, 468, 3), 0.5))


def test_a_correction_grows_with_the_face() -> None:
    estimator = load_estimator()
    seen = torch.randn((2, SEEN), generator=torch.Generator().manual_seed(4))
    face = placed_head(10.0, 30.0, SIZE)
    small, large = (corrected(estimator, each, seen[:1], seen[1]) - each for each in (face, 2 * face))
    assert torch.allclose(large, 2 * small, atol=1e-3)
    assert small[..., :2].abs().max() > 0.1
    assert small[..., 2].abs().max() == 0
