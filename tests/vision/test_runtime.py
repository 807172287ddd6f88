import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from countenance.vision import runtime
from countenance.vision.runtime import Runner, compiled, has_openvino, in_8_bits, multiplies_8_bits

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="OpenVINO isn't installed or doesn't know the processor")
needs_8_bits = pytest.mark.skipif(not multiplies_8_bits(), reason="this processor sums no products of 8 bits")


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 2, 1),
    ).eval()


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand((6, 3, 32, 32), generator=torch.Generator().manual_seed(2)) - 0.3


def answers(net: nn.Module, pictures: Tensor) -> Tensor:
    with torch.inference_mode():
        result: Tensor = net(pictures)
    return result


@needs_openvino
def test_openvino_is_chosen_and_equal_to_torch(net: nn.Module, pictures: Tensor) -> None:
    runner = compiled(net, pictures[:1])
    assert runner.ran_by.startswith("openvino ")
    assert "float32" in runner.ran_by
    assert (runner(pictures) - answers(net, pictures)).abs().max() < 1e-5


@needs_openvino
def test_a_picture_gets_the_same_answer_alone_together_and_on_any_thread(net: nn.Module, pictures: Tensor) -> None:
    runner = compiled(net, pictures[:1])
    together = runner(pictures)
    with ThreadPoolExecutor(3) as pool:
        alone = list(pool.map(runner, [one[None] for one in pictures] * 4))
    assert torch.equal(torch.cat(alone), together.repeat(4, 1, 1, 1))


@needs_openvino
def test_nothing_is_told_to_its_maker(net: nn.Module, pictures: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = pytest.importorskip("openvino_telemetry")

    def told(*_: object, **__: object) -> None:
        raise AssertionError("telemetry was opened")

    monkeypatch.setattr(telemetry.Telemetry, "__new__", told)
    monkeypatch.setattr(telemetry.Telemetry, "__init__", told)
    compiled(net, pictures[:1])


@needs_8_bits
def test_8_bits_are_near_and_told_apart(net: nn.Module, pictures: Tensor) -> None:
    rounded = in_8_bits(net, pictures)
    assert "int8" in rounded.ran_by
    off = (rounded(pictures) - answers(net, pictures)).abs().max() / answers(net, pictures).abs().max()
    assert 1e-4 < off < 0.03


@needs_8_bits
def test_padding_stays_zero_in_8_bits(pictures: Tensor) -> None:
    """Inputs that are nowhere near zero must not move it."""
    net = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1, bias=False) for _ in range(3))).eval()
    far = pictures.abs() + 4
    assert (in_8_bits(net, far)(far) - answers(net, far)).abs().max() < 0.05 * answers(net, far).abs().max()


def test_without_openvino_torch_runs_and_says_so(
    net: nn.Module, pictures: Tensor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runtime, "openvino", None)
    with caplog.at_level(logging.INFO, logger="countenance"):
        runner = compiled(net, pictures[:1])
    assert isinstance(runner, Runner)
    assert runner.ran_by == f"torch {torch.__version__} in float32"
    assert runner.ran_by in caplog.text
    assert not multiplies_8_bits()
    assert torch.allclose(runner(pictures), answers(net, pictures), atol=1e-6)


def test_bfloat16_only_where_the_processor_multiplies_matrices_of_it(
    net: nn.Module, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "openvino", None)
    for able, precision in (({"amx_bf16": True}, "bfloat16"), ({"avx512_bf16": True}, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        runner = compiled(net, pictures[:1], bf16=True)
        assert runner.ran_by.endswith(precision)
        assert (runner(pictures) - answers(net, pictures)).abs().max() < 0.02
    assert compiled(net, pictures[:1]).ran_by.endswith("float32")
