import torch

from countenance.model.guided.drawing import aligned, control_of, draw, enlarged, mixed, split
from countenance.model.guided.inputs import ratio_image
from countenance.model.guided.network import ALIGNED, CHANNELS, NUM_CHANNELS, SOURCES, Generator

SIZE = 128


def test_sources_that_lie_right_are_left_alone_but_for_the_ratio() -> None:
    parts = split(torch.rand(1, NUM_CHANNELS, SIZE, SIZE))
    same = aligned(parts, torch.zeros(1, len(ALIGNED), 2, SIZE // 4, SIZE // 4))
    for name, before in parts.items():
        if name != "ratio":
            assert torch.allclose(same[name], before, atol=1e-4), name


def test_a_flow_fetches_its_source_from_so_many_pixels_away() -> None:
    parts = split(torch.rand(1, NUM_CHANNELS, SIZE, SIZE))
    flows = torch.zeros(1, len(ALIGNED), 2, SIZE // 4, SIZE // 4)
    flows[:, ALIGNED.index("reference 2"), 0] = 3
    fetched = aligned(parts, flows)
    assert torch.allclose(fetched["reference 2"][..., 8:-8], parts["reference 2"][..., 11:-5], atol=1e-4)
    assert torch.allclose(fetched["reference 1"], parts["reference 1"], atol=1e-4)


def test_the_ratio_of_equal_faces_is_the_plate() -> None:
    plate, atlas = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    assert torch.allclose(ratio_image(plate, atlas, atlas, torch.ones(1, 1, 8, 8)), plate)


def test_an_untrained_generator_mixes_all_sources_alike_and_leaves_the_surroundings() -> None:
    torch.manual_seed(1)
    maps = torch.rand(2, NUM_CHANNELS, SIZE, SIZE)
    maps[:, -4:-3] = 0
    maps[:, -4:-3, 40:90, 40:90] = 1
    drawn = draw(Generator(), maps, bf16=False)
    assert torch.allclose(drawn.control.weights, torch.full_like(drawn.control.weights, 1 / len(SOURCES)), atol=1e-6)
    assert drawn.mask[:, :, 60, 60].min() > 0.9
    assert drawn.mask[:, :, 5, 5].max() < 0.1
    assert list(CHANNELS)[-2] == "inside"


def test_decisions_made_small_do_the_same_to_larger_sources() -> None:
    torch.manual_seed(2)
    small = torch.nn.functional.avg_pool2d(torch.rand(1, NUM_CHANNELS, SIZE, SIZE), 9, 1, 4)
    large = torch.nn.functional.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
    generator = Generator()
    torch.nn.init.normal_(generator.fine.weight, std=0.02)
    torch.nn.init.normal_(generator.flow.weight, std=0.02)
    with torch.inference_mode():
        parts, flows, control = control_of(generator, split(small), bf16=False)
        one = mixed(parts, flows, control).result
        flows, control = enlarged(flows, control, 2)
        other = mixed(aligned(split(large), flows), flows, control).result
    inner = torch.nn.functional.avg_pool2d(other, 2)[..., 16:-16, 16:-16]
    assert (inner - one[..., 16:-16, 16:-16]).abs().mean() < 0.01
    assert one.std() > 0.02
