from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from countenance.model.guided.drawer import GuidedDrawer, load_base
from countenance.model.guided.drawing import Mixed, draw, split
from countenance.model.guided.inputs import sample, uneven
from countenance.model.guided.losses import rehearsed
from countenance.model.guided.network import NUM_REFERENCES
from countenance.model.guided.pairs import (
    Material,
    _chosen,
    _without_the_answer,
    draw_batch,
    draw_maps,
    in_even_light,
    reversed_pairs,
)
from countenance.model.guided.shape import chip_grid
from countenance.model.guided.sources import CONTROL_SIZE
from countenance.vision.identity import Recogniser
from tests.support.faces import faces_of


def embedded(pairs_rgb: torch.Tensor, points_xy: torch.Tensor) -> torch.Tensor:
    chips = sample(pairs_rgb.float() / 255, chip_grid(points_xy)) * 255
    with torch.no_grad():
        embeddings: torch.Tensor = Recogniser()(chips)
    return embeddings


def test_what_is_given_shows_the_performer_on_the_likenesss_picture(material: Material) -> None:
    pairs = material.pairs
    apart = (pairs.given.float() - pairs.truth.float()).abs().mean(dim=1)
    # Beside the region nothing was touched.
    assert (apart * (pairs.region == 0)).mean() < 0.5
    assert (apart * (pairs.region == 255)).sum() / (pairs.region == 255).sum() > 5
    moved = embedded(pairs.given, pairs.known) - embedded(pairs.truth, pairs.known)
    assert (moved.norm(dim=1) > 0.3).all()


def test_what_is_in_front_of_the_likeness_stays_there(material: Material) -> None:
    sources = material.sources
    face = faces_of("zuri").faces[0]
    visible = face.visible.copy()
    visible[: len(visible) // 2] = 0
    drawer = GuidedDrawer(sources.swapped(), size=CONTROL_SIZE)
    pairs = reversed_pairs(sources, drawer, iter([replace(face, visible=visible)]))
    apart = (pairs.given.float() - pairs.truth.float()).abs()[0].mean(dim=0)
    assert apart[: CONTROL_SIZE // 2 - 4].max() == 0
    assert apart[CONTROL_SIZE // 2 + 4 :].max() > 10
    assert pairs.region[0, : CONTROL_SIZE // 2 - 4].max() == 0


def test_a_batch_has_the_untouched_picture_as_its_truth(material: Material) -> None:
    sources, pairs = material.sources, material.pairs
    rows = torch.tensor([2, 0])
    batch = draw_batch(pairs, sources, rows, torch.Generator().manual_seed(1))
    assert batch.maps.shape[0] == batch.truth.shape[0] == 2
    assert torch.equal(batch.known, pairs.known[rows])
    plate = split(batch.maps)["plate"]
    outside = (batch.region == 0).expand(-1, 3, -1, -1)
    assert (plate - batch.truth)[outside].abs().mean() < 0.05
    inside = (batch.region == 1).expand(-1, 3, -1, -1)
    assert (plate - batch.truth)[inside].abs().mean() > 0.05


def test_batches_differ_and_a_seed_gives_the_same_one(material: Material) -> None:
    sources, pairs = material.sources, material.pairs
    rows = torch.tensor([1])
    one, again, other = (
        draw_batch(pairs, sources, rows, torch.Generator().manual_seed(seed)).maps for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_picture_itself_is_never_shown_as_a_reference(material: Material) -> None:
    """The four faces are also the references, in the same order."""
    pairs = material.pairs
    rows, rng = torch.arange(len(pairs.given)), torch.Generator().manual_seed(1)
    assert pairs.apart[rows, rows].isinf().all()
    assert pairs.apart.isfinite().any(dim=1).all()
    for _ in range(20):
        chosen = _chosen(pairs.apart, rng)
        assert chosen.shape == (len(rows), NUM_REFERENCES)
        assert (chosen != rows[:, None]).all()


def test_where_all_references_are_the_same_the_least_alike_is_shown() -> None:
    apart = _without_the_answer(torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.1, 0.3, 0.0]]))
    assert apart.tolist() == [[torch.inf, 2.0, torch.inf]]
    assert set(_chosen(apart, torch.Generator().manual_seed(1))[0].tolist()) == {1}


def test_the_base_draws_the_likeness_back_half_right(material: Material) -> None:
    """What there is to learn: the base alone doesn't undo what it did."""
    sources, pairs = material.sources, material.pairs
    batch = draw_batch(pairs, sources, torch.arange(2), torch.Generator().manual_seed(1))
    with torch.no_grad():
        result = draw(load_base()[0].eval(), batch.maps, bf16=False).result
    inside = (batch.region > 0.5).expand(-1, 3, -1, -1)
    before = (split(batch.maps)["plate"] - batch.truth)[inside].abs().mean()
    after = (result - batch.truth)[inside].abs().mean()
    assert after < before


def test_light_is_taken_out_and_put_back(material: Material) -> None:
    pairs = material.pairs
    rgb, even = in_even_light(pairs.truth, pairs.mask)
    inside = (pairs.mask == 255)[:, None].expand(-1, 3, -1, -1)
    assert rgb[inside].mean().item() == pytest.approx(0.5, abs=0.02)
    assert even.shape == (len(pairs.truth), 4)
    assert pairs.given.shape[-1] == CONTROL_SIZE


def test_plates_are_the_performers_own_faces(material: Material) -> None:
    plates = material.plates
    assert plates.given.shape == (4, 3, CONTROL_SIZE, CONTROL_SIZE)
    assert plates.apart.isfinite().all()
    maps, even, _ = draw_maps(plates, material.sources, torch.tensor([1]), torch.Generator().manual_seed(1))
    plate = uneven(split(maps)["plate"], even) * 255
    assert (plate - plates.given[1:2]).abs().mean() < 4


def test_rehearsal_asks_for_tones_and_mask_and_leaves_detail_free() -> None:
    face = torch.rand(1, 3, CONTROL_SIZE, CONTROL_SIZE)
    mask = (torch.rand(1, 1, CONTROL_SIZE, CONTROL_SIZE) > 0.5).float()
    base = Mixed(plate=face, face=face, mask=mask)
    other_detail = F.avg_pool2d(face, 8).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)
    same = rehearsed(replace(base, plate=other_detail, face=other_detail), base)
    assert same["tones"] < 1e-6
    assert same["plate mask"] < 1e-3
    brighter = rehearsed(replace(base, plate=face + 0.1, face=face + 0.1, mask=1 - mask), base)
    assert brighter["tones"].item() == pytest.approx(0.1, abs=1e-5)
    assert brighter["plate mask"] > 5
