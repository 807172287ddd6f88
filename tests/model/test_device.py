from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from countenance.errors import ModelError
from countenance.model.config import TrainConfig
from countenance.model.device import choose_device, compile_on, drawn_on, on_device, uses_bf16
from countenance.model.guided import mesh, sources
from countenance.model.guided.mesh import Raster
from countenance.model.guided.network import NUM_CHANNELS
from countenance.model.guided.pairs import Material, draw_batch, draw_maps
from countenance.model.guided.sources import CONTROL_SIZE
from countenance.model.state import TrainingState, begin
from countenance.model.step import _gradients_in_parts, lesson_of

CPU, CARD = torch.device("cpu"), torch.device("cuda", 0)


def gradients(state: TrainingState) -> Tensor:
    return torch.cat([each.grad.flatten() for each in state.generator.parameters() if each.grad is not None])


def learned_once(material: Material, config: TrainConfig) -> tuple[dict[str, Tensor], Tensor]:
    """Losses and gradients of one step from the base."""
    state = begin(config, CPU)
    terms = _gradients_in_parts(state, lesson_of(material, CPU), config)
    return terms, gradients(state)


def test_a_device_is_chosen_by_its_name_or_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, chosen in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert choose_device("auto").type == chosen
        assert choose_device("cpu").type == "cpu"
    assert choose_device("cuda").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="torch finds no CUDA device"):
        choose_device("cuda")


def test_a_step_in_bfloat16_asks_for_the_same(
    material: Material, config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a card does, done here: losses to 2%, and gradients that point the same way."""
    two = replace(config, batch_size=2)
    assert not uses_bf16(CPU)
    assert uses_bf16(CARD)
    terms, exact = learned_once(material, two)
    monkeypatch.setattr("countenance.model.state.uses_bf16", lambda _: True)
    rounded_terms, rounded = learned_once(material, two)
    assert not torch.equal(rounded, exact)
    for name, value in terms.items():
        assert float(rounded_terms[name]) == pytest.approx(float(value), rel=0.02), name
    assert torch.nn.functional.cosine_similarity(rounded, exact, dim=0) > 0.98
    assert float(rounded.norm()) == pytest.approx(float(exact.norm()), rel=0.1)
    assert rounded.dtype == torch.float32


def test_weights_lie_as_convolutions_read_them() -> None:
    net = on_device(nn.Conv2d(8, 8, 3), CPU)
    assert net.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_net_is_compiled_on_a_card_only_where_that_can_be_done_and_answers_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, given = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU()), torch.randn(2, 3, 8, 8)
    names, before = list(net.state_dict()), net(given)
    compile_on(CPU, net)
    monkeypatch.setattr("countenance.model.device.has_compiler", lambda: False)
    compile_on(CARD, net)
    assert net._compiled_call_impl is None
    monkeypatch.setattr("countenance.model.device.has_compiler", lambda: True)
    compile_on(CARD, net, backend="eager")
    assert net._compiled_call_impl is not None
    assert list(net.state_dict()) == names
    assert torch.equal(net(given), before)


def test_random_numbers_are_the_same_on_every_device() -> None:
    rng = torch.Generator().manual_seed(3)
    drawn = drawn_on(rng, 2, 3, device=CPU)
    assert torch.equal(drawn, torch.rand((2, 3), generator=torch.Generator().manual_seed(3)))
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert (drawn_on(rng, 1000, device=CPU, normal=True) < 0).any()


def test_batches_are_made_where_the_material_lies(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that holds no numbers, but on which nothing can be mixed with what lies elsewhere."""
    elsewhere, (canonical, rigid) = torch.device("meta"), mesh._canonical(CPU)

    def rasterised(points: Tensor, size: int) -> Raster:
        triangle = torch.zeros((len(points), size, size), dtype=torch.long, device=points.device)
        return Raster(triangle=triangle, weights=torch.zeros((*triangle.shape, 3), device=points.device))

    # How much there is to do in these depends on numbers.
    monkeypatch.setattr(sources, "rasterise", rasterised)
    monkeypatch.setattr(mesh, "_canonical", lambda device: (canonical.to(device), rigid.to(device)))
    rows, rng, held = torch.tensor([1, 0]), torch.Generator().manual_seed(1), material.to(elsewhere)
    assert material.pairs.given.device == CPU
    assert next(material.sources.estimator.parameters()).device == CPU
    batch = draw_batch(held.pairs, held.sources, rows, rng)
    for each in fields(batch):
        assert getattr(batch, each.name).device == elsewhere, each.name
    maps, even, _ = draw_maps(held.plates, held.sources, rows, rng)
    assert {maps.device, even.device} == {elsewhere}
    assert batch.maps.shape == (2, NUM_CHANNELS, CONTROL_SIZE, CONTROL_SIZE)
