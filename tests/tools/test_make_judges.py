import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from countenance.bench.judge.unseen import NUM_BLOCKS
from tools.make_judges import NORM_EPSILON, feature_weights, read_tfjs


def test_constants_of_both_precisions_are_read(tmp_path: Path) -> None:
    half, whole = np.arange(6, dtype=np.float16).reshape(2, 3), np.array([0.1, 7.0], np.float32)
    (tmp_path / "net.bin").write_bytes(half.tobytes() + whole.tobytes())
    described = [
        {"name": "half", "shape": [2, 3], "dtype": "float32", "quantization": {"dtype": "float16"}},
        {"name": "whole", "shape": [2], "dtype": "float32"},
    ]
    (tmp_path / "net.json").write_text(json.dumps({"weightsManifest": [{"weights": described}]}))
    read = read_tfjs(tmp_path / "net")
    np.testing.assert_array_equal(read["half"], half)
    np.testing.assert_array_equal(read["whole"], whole)


def test_folded_convolutions_give_what_the_norm_after_them_gave() -> None:
    rng = torch.Generator().manual_seed(1)
    state = {}
    blocks = [f"_blocks.{number}" for number in range(NUM_BLOCKS)]
    convs = [("_conv_stem", "_bn0"), *((f"{b}._expand_conv", f"{b}._bn0") for b in blocks)]
    convs += [
        *((f"{b}._depthwise_conv", f"{b}._bn1") for b in blocks),
        *((f"{b}._project_conv", f"{b}._bn2") for b in blocks),
    ]
    for conv, norm in convs:
        state[f"{conv}.weight"] = torch.randn(4, 3, 3, 3, generator=rng)
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{norm}.{part}"] = torch.rand(4, generator=rng) + 0.1
    weights = feature_weights(state)
    image = torch.randn(1, 3, 8, 8, generator=rng)
    for conv, norm, name in (
        ("_conv_stem", "_bn0", "stem"),
        ("_blocks.3._expand_conv", "_blocks.3._bn0", "3.expand"),
        ("_blocks.10._project_conv", "_blocks.10._bn2", "10.project"),
    ):
        mean, variance, weight, bias = (
            state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        drawn = F.conv2d(image, state[f"{conv}.weight"])
        normed = F.batch_norm(drawn, mean, variance, weight, bias, eps=NORM_EPSILON)
        torch.testing.assert_close(F.conv2d(image, weights[f"{name}.weight"], weights[f"{name}.bias"]), normed)
    assert "0.expand.weight" not in weights
