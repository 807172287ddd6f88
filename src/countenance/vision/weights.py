"""Weights in safetensors files, into PyTorch."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from countenance.errors import ModelError


def read_weights(path: Path) -> dict[str, Tensor]:
    """The numbers of a file, as float32.

    Raises:
        ModelError: it is missing or damaged.
    """
    return _parsed(path, _content(path))


def load_weights(net: nn.Module, path: Path) -> bytes:
    """Give a network the weights of a file, whose content is returned, for digests.

    Raises:
        ModelError: it is missing or damaged, or of another network.
    """
    content = _content(path)
    try:
        net.load_state_dict(_parsed(path, content))
    except RuntimeError:
        raise _unusable(path) from None
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise _unusable(path) from None


def _parsed(path: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return {name: value.float() for name, value in load(content).items()}
    except SafetensorError:
        raise _unusable(path) from None


def _unusable(path: Path) -> ModelError:
    return ModelError(f"{path} does not hold this version's weights; install countenance again")
