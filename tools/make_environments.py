"""Make `actors/data/environments.npz`: the light and the look of the CC0 environments in the wheel of `bpy`, small.

Runs in the environment that `countenance actors setup` makes, because only Blender reads the pictures there:

    BLENDER_PYTHON tools/make_environments.py
"""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/environments.npz"
NAMES = ("studio", "interior", "courtyard", "forest", "city", "sunrise", "sunset", "night")
SIZE_WH = (128, 64)
BRIGHTEST = 400.0
"""The sun's disc is far brighter; as a lamp of 3° it keeps its power only so far."""


def read(path: Path) -> NDArray[Any]:
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Linear Rec.709"
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[::-1, :, :3]


def shrink(picture: NDArray[Any]) -> NDArray[Any]:
    height, width = picture.shape[:2]
    rows = np.linspace(0, height, SIZE_WH[1] + 1).astype(int)
    columns = np.linspace(0, width, SIZE_WH[0] + 1).astype(int)
    by_row = np.add.reduceat(picture, rows[:-1], axis=0) / np.diff(rows)[:, None, None]
    return np.add.reduceat(by_row, columns[:-1], axis=1) / np.diff(columns)[None, :, None]


def main() -> None:
    folder = Path(bpy.utils.resource_path("LOCAL"), "datafiles/studiolights/world")
    pictures = [np.minimum(shrink(read(folder / f"{name}.exr")), BRIGHTEST).astype(np.float16) for name in NAMES]
    np.savez_compressed(OUTPUT, names=np.array(NAMES), pictures=np.stack(pictures))
    for name, picture in zip(NAMES, pictures, strict=True):
        print(name, picture.astype(np.float32).mean(axis=(0, 1)).round(3), float(picture.max()))
    print(f"{OUTPUT.stat().st_size / 1e3:.0f} kB")


main()
