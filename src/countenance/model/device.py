"""On what nets learn, and how they are run there: decided here, once, for `train` and for the base's training."""

import logging
import shutil
from dataclasses import fields, replace
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from countenance.errors import ModelError

_log = logging.getLogger(__name__)

Net = TypeVar("Net", bound=nn.Module)
Tensors = TypeVar("Tensors", bound=Any)
"""A dataclass that holds some."""


def choose_device(asked: str) -> torch.device:
    """A device by name; for `auto` the graphics card where there is one.

    Raises:
        ModelError: a card is asked for and there is none.
    """
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if asked == "cuda" and not torch.cuda.is_available():
        raise ModelError("train.device is cuda, but torch finds no CUDA device; use --set train.device=cpu")
    return torch.device(asked)


def uses_bf16(device: torch.device) -> bool:
    """Whether nets compute in bfloat16 there; what is summed and stored stays float32."""
    return device.type == "cuda"


def on_device(net: Net, device: torch.device) -> Net:
    """The net moved there, its weights in the order in which convolutions are fastest."""
    moved: Net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def compile_on(device: torch.device, net: nn.Module, backend: str = "inductor") -> None:
    """Let the net be compiled when it is first asked, where that pays and can be done: on a card, with Triton and a C
    compiler at hand. Its weights keep their names.
    """
    if device.type != "cuda":
        return
    if has_compiler():
        net.compile(backend=backend)
    else:
        _log.warning("the generator isn't compiled, so training is slower: Triton or a C compiler (gcc) is missing")


def has_compiler() -> bool:
    """Whether what `torch.compile` needs on a card is installed."""
    return find_spec("triton") is not None and any(shutil.which(name) for name in ("cc", "gcc", "clang"))


def moved(tensors: Tensors, device: torch.device) -> Tensors:
    """A dataclass with its tensors on a device; what else it holds stays as it is."""
    held = {each.name: getattr(tensors, each.name) for each in fields(tensors)}
    return replace(tensors, **{name: value.to(device) for name, value in held.items() if isinstance(value, Tensor)})


def drawn_on(rng: torch.Generator, *shape: int, device: torch.device, normal: bool = False) -> Tensor:
    """Random numbers, evenly between 0 and 1 or `normal`; the same on every device, as a checkpoint holds one state."""
    draw = torch.randn if normal else torch.rand
    return draw(shape, generator=rng).to(device)
