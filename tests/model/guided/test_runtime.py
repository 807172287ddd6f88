import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import countenance.model.guided.runtime as guided_runtime
import countenance.vision.runtime as vision_runtime
from countenance.model.guided.drawer import GuidedDrawer, load_base
from countenance.model.guided.drawing import control_of
from countenance.model.guided.runtime import Decisions, control_from, runner_of
from countenance.model.guided.sources import Sources, sources_of
from countenance.vision.runtime import has_openvino, multiplies_8_bits
from tests.model.guided.test_drawer import input_of
from tests.support.faces import faces_of

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="OpenVINO isn't installed or doesn't know the processor")
needs_8_bits = pytest.mark.skipif(not multiplies_8_bits(), reason="this processor sums no products of 8 bits")
FACES = {name: faces_of(name) for name in ("zuri", "kofi")}


@pytest.fixture(scope="module")
def sources() -> Sources:
    performer = FACES["kofi"].faces
    return sources_of(FACES["zuri"], replace(FACES["kofi"], faces=(performer * 3)[:6]))


def test_decisions_are_the_generators_own() -> None:
    generator = load_base()[0].eval()
    maps = torch.rand((2, generator.stem.in_channels // 4, 32, 32), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        control, decided = control_of(generator, maps, bf16=False), control_from(Decisions(generator)(maps))
    assert torch.allclose(decided.share, control.share, atol=1e-5)
    assert torch.allclose(decided.residual, control.residual, atol=1e-5)
    assert torch.allclose(decided.mask_logit, control.mask_logit, atol=1e-4)


def drawn_by(drawer: GuidedDrawer) -> np.ndarray:
    """Faces in their crops, 0–255, as far as the mask shows them."""
    shown = [input_of(face) for face in FACES["kofi"].faces[:2]]
    drawn = drawer(shown)
    return np.stack(
        [
            face.lit_rgb + one.mask[..., None] * (one.rgb * 255 - face.lit_rgb)
            for face, one in zip(shown, drawn, strict=True)
        ]
    )


@needs_8_bits
def test_8_bits_draw_the_same_face_and_are_told_apart(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = GuidedDrawer(sources, size=256)
    monkeypatch.setattr(guided_runtime, "MOST_OFF", 0.0)
    exact = GuidedDrawer(sources, size=256)
    assert "int8" in fast.ran_by
    assert "float32" in exact.ran_by
    assert fast.digest != exact.digest
    apart = drawn_by(fast) - drawn_by(exact)
    assert 0.001 < np.sqrt(np.square(apart).mean()) < 0.7
    assert np.abs(apart).max() < 10


@needs_openvino
def test_few_faces_are_no_measure_for_8_bits() -> None:
    few = replace(FACES["kofi"], faces=FACES["kofi"].faces[:1])
    assert "float32" in runner_of(load_base()[0].eval(), sources_of(FACES["zuri"], few), may_round=True).ran_by


@needs_openvino
def test_torch_draws_the_same_where_openvino_is_missing(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guided_runtime, "MOST_OFF", 0.0)
    exact = GuidedDrawer(sources, size=256)
    monkeypatch.setattr(vision_runtime, "openvino", None)
    torchs = GuidedDrawer(sources, size=256)
    assert torchs.ran_by.startswith("torch ")
    assert torchs.digest != exact.digest
    assert np.abs(drawn_by(torchs) - drawn_by(exact)).max() < 0.1


@needs_openvino
def test_reading_a_net_leaves_signals_their_stack() -> None:
    """In a process of its own. Where the small stack that OpenVINO may set stays, Ctrl-C can crash."""
    code = (
        "import ctypes, torch\n"
        "from countenance.model.guided.drawer import load_base\n"
        "from countenance.model.guided.network import NUM_CHANNELS\n"
        "from countenance.model.guided.runtime import Decisions\n"
        "from countenance.vision import runtime\n"
        "runner = runtime.compiled(Decisions(load_base()[0].eval()), torch.rand(1, NUM_CHANNELS, 128, 128))\n"
        "stack = runtime._SignalStack()\n"
        "ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))\n"
        "print(stack.pointer, stack.size)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None 0\n"
