"""The estimator of shapes' training: what it is asked to learn."""

import torch

from tools.shape.people import at_rest_of, components, mirrored


def test_a_face_at_rest_has_its_middle_and_size_where_they_belong() -> None:
    one, other = (torch.from_numpy(at_rest_of(seed)) for seed in (3, 4))
    for face in (one, other):
        assert face.mean(dim=0).abs().max() < 0.3
        assert 0.7 < float((face - face.mean(dim=0)).square().sum(dim=1).mean().sqrt()) < 1.3
    assert float((one - other).norm(dim=1).mean()) > 0.02


def test_mirrored_twice_is_as_before() -> None:
    face = torch.from_numpy(at_rest_of(3))
    assert torch.allclose(mirrored(mirrored(face)), face)
    assert float((mirrored(face) - face).norm(dim=1).mean()) < 0.05


def test_components_are_as_long_as_their_spread() -> None:
    rng = torch.Generator().manual_seed(2)
    values = torch.randn((400, 6), generator=rng) * torch.tensor([3.0, 2.0, 1.0, 0.1, 0.1, 0.1]) + 5
    mean, basis = components(values, 2)
    assert torch.allclose(mean, values.mean(dim=0))
    assert torch.allclose(basis.norm(dim=1), torch.tensor([3.0, 2.0]), rtol=0.15)
