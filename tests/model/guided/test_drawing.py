import pytest
import torch

from countenance.model.guided.drawing import control_of, draw, larger, mixed, split
from countenance.model.guided.inputs import ratio_image
from countenance.model.guided.network import NUM_CHANNELS, Control, Generator

SIZE = 128


def test_the_ratio_of_equal_faces_is_the_plate() -> None:
    plate, atlas = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert torch.allclose(ratio_image(plate, atlas, atlas, torch.ones(1, 1, 8, 8)), plate)


def test_an_untrained_generator_mixes_both_plates_alike_and_leaves_the_surroundings() -> None:
    torch.manual_seed(1)
    maps = torch.rand(2, NUM_CHANNELS, SIZE, SIZE)
    parts = split(maps)
    parts["inside"][:] = 0
    parts["inside"][..., 40:90, 40:90] = 1
    drawn = draw(Generator(), maps, bf16=False)
    assert torch.allclose(drawn.face, (parts["plate"] + parts["moved"]) / 2, atol=1e-6)
    assert drawn.mask[:, :, 60, 60].min() > 0.9
    assert drawn.mask[:, :, 5, 5].max() < 0.1
    assert torch.allclose(drawn.result[..., 5, 5], parts["plate"][..., 5, 5], atol=0.08)


@pytest.mark.parametrize("factor", [2, 4])
def test_decisions_made_small_do_the_same_to_larger_plates(factor: int) -> None:
    torch.manual_seed(2)
    maps = torch.nn.functional.avg_pool2d(torch.rand(1, NUM_CHANNELS, SIZE, SIZE), 9, 1, 4)
    generator = Generator()
    torch.nn.init.normal_(generator.head.weight, std=0.02)
    assert generator.head.bias is not None
    torch.nn.init.constant_(generator.head.bias, 0.2)
    with torch.inference_mode():
        one = draw(generator, maps, bf16=False)
        plate, moved, inside = (larger(split(maps)[name], factor) for name in ("plate", "moved", "inside"))
        control = control_of(generator, maps, bf16=False)
        share, residual, mask_logit = (
            larger(each, factor) for each in (control.share, control.residual, control.mask_logit)
        )
        other = mixed(plate, moved, inside, Control(share=share, residual=residual, mask_logit=mask_logit))
    assert other.result.shape[2:] == (factor * SIZE, factor * SIZE)
    inner = torch.nn.functional.avg_pool2d(other.result, factor)[..., 16:-16, 16:-16]
    assert (inner - one.result[..., 16:-16, 16:-16]).abs().mean() < 0.01
    assert (one.result - split(maps)["plate"]).abs().mean() > 0.02
