"""Photographed skin as material: tone and detail of several people, in the photographs' own layout.

Source: `tools/make_skin_material.py`.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int8

COMPANDING, TONE_RANGE = 0.25, 1.2
"""How logarithms of ratios are coded in eight bits: tanh for detail, linear for tone."""
LAYOUT_WIDTH, LAYOUT_HEIGHT = 768, 1408
MIRROR_Y = 705.97
"""The row of a photograph that the middle of the face lies on."""
_SCALE, _FROM_UV, _TO_UV = 1.42, (0.63, 0.14), (0.475, 0.01)
"""How the head's island was moved within the map (`tools/make_head.py`)."""
_LEFT, _TOP, _WHOLE = 1280, 352, 2048
"""Of the photographs within the whole texture, in pixels."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Detail:
    """High frequencies of one photographed skin at a size; logarithms of ratios of linear light."""

    rgb: Float32[np.ndarray, "H W 3"]
    """Zero where the photograph isn't usable."""
    tile: Float32[np.ndarray, "T T 3"]
    """Texture of a cheek without an end, for all places that the photograph doesn't show."""
    usable: Float32[np.ndarray, "H W"]
    """0–1."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Tones:
    """Low frequencies of all photographed skins, relative to each one's mean; logarithms of ratios of linear light."""

    names: tuple[str, ...]
    coded: Int8[np.ndarray, "N h w 3"]
    beard_shadow: Float32[np.ndarray, " 3"]
    """What a shaven beard adds."""


@cache
def _arrays() -> dict[str, Any]:
    with np.load(Path(__file__).parent / "data/skin_material.npz") as file:
        return dict(file)


@cache
def tones() -> Tones:
    """All tones of the package."""
    arrays = _arrays()
    return Tones(names=tuple(map(str, arrays["names"])), coded=arrays["tones"], beard_shadow=arrays["beard_shadow"])


@cache
def detail_names() -> tuple[str, ...]:
    """Of the photographs that detail is taken from."""
    return tuple(map(str, _arrays()["detail_names"]))


@lru_cache(maxsize=16)
def detail(number: int, size: int) -> Detail:
    """One photograph's detail, as fine as a map of a size can show."""
    arrays = _arrays()
    # Enlarging is left to whoever reads it.
    scale = min(1.0, _SCALE * size / _WHOLE)
    width, height = round(LAYOUT_WIDTH * scale), round(LAYOUT_HEIGHT * scale)
    rgb, tile = (_decoded(arrays[f"{name}_{number}"]) for name in ("detail", "tile"))
    tile_size = round(tile.shape[0] * scale)
    return Detail(
        rgb=np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.float32),
        tile=np.asarray(cv2.resize(tile, (tile_size, tile_size), interpolation=cv2.INTER_AREA), np.float32),
        usable=np.asarray(
            cv2.resize(arrays[f"usable_{number}"], (width, height), interpolation=cv2.INTER_LINEAR), np.float32
        )
        / np.float32(255),
    )


def from_photograph(size: int) -> Float64[np.ndarray, "2 3"]:
    """From pixels of a photograph to those of the head's map, middles at whole numbers."""
    scale = _SCALE * size / _WHOLE
    left = ((_LEFT / _WHOLE - _FROM_UV[0]) * _SCALE + _TO_UV[0]) * size
    top = (1 - (1 - _TOP / _WHOLE - _FROM_UV[1]) * _SCALE - _TO_UV[1]) * size
    half = 0.5 * scale - 0.5
    return np.array([[scale, 0, left + half], [0, scale, top + half]])


def _decoded(data: np.ndarray) -> Float32[np.ndarray, "H W 3"]:
    coded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert coded is not None
    levels = np.clip((np.arange(256, dtype=np.float32) - 128) / 127, -0.995, 0.995)
    return np.asarray((COMPANDING * np.arctanh(levels)).astype(np.float32)[coded[..., ::-1]])
