"""Make `actors/data/mouth_material.npz`: detail of enamel, gums and tongue, without their colours.

    python tools/make_mouth_material.py FOLDER

FOLDER holds MakeHuman's textures `teeth.png` and `tongue.png` (`base/teeth` and `base/tongue` of
makehumancommunity/makehuman-assets, CC0).
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/mouth_material.npz"
ENAMEL_XYXY = ((1010, 480, 1095, 580), (800, 500, 880, 580), (986, 640, 1036, 712))
GUM_XYXY = (20, 642, 640, 725)
"""The front of a lower gum; its first row lies at the teeth."""
TONGUE_FROM_XY = ((598, 500), (890, 145), (575, 180))
"""Middle of the root, the tip, and the side to the left halfway, in `tongue.png`."""
ENAMEL_WH, GUM_WH, TONGUE_WH = (24, 32), (192, 24), (64, 96)
UNIT = 96
"""Stored for what is as bright as the mean."""


def read(path: Path) -> Float32[np.ndarray, "H W 3"]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"expected {path}; give the folder of MakeHuman's teeth and tongue textures")
    return np.asarray(picture[..., ::-1], np.float32)


def part(
    picture: Float32[np.ndarray, "H W 3"], xyxy: tuple[int, int, int, int], size_wh: tuple[int, int]
) -> np.ndarray:
    left, top, right, bottom = xyxy
    return np.asarray(cv2.resize(picture[top:bottom, left:right], size_wh, interpolation=cv2.INTER_AREA))


def relative(picture: Float32[np.ndarray, "*B H W 3"]) -> Float32[np.ndarray, "*B H W 3"]:
    """Brightness relative to the patch's mean colour."""
    return np.asarray(picture / picture.mean(axis=(-3, -2), keepdims=True))


def main() -> None:
    folder = Path(sys.argv[1])
    teeth, tongue = read(folder / "teeth.png"), read(folder / "tongue.png")
    width, height = TONGUE_WH
    to_patch = cv2.getAffineTransform(
        np.array(TONGUE_FROM_XY, np.float32),
        np.array([[width / 2, 0], [width / 2, height - 1], [0, height / 2]], np.float32),
    )
    dorsum = cv2.warpAffine(
        cv2.GaussianBlur(tongue, (0, 0), 2.0),
        to_patch,
        TONGUE_WH,
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_REPLICATE,
    )
    arrays = {
        "enamel": relative(np.stack([part(teeth, box, ENAMEL_WH) for box in ENAMEL_XYXY])),
        "gum": relative(part(teeth, GUM_XYXY, GUM_WH)),
        "tongue": relative(dorsum),
    }
    stored: dict[str, Any] = {
        name: np.clip(np.round(UNIT * array), 0, 255).astype(np.uint8) for name, array in arrays.items()
    }
    np.savez_compressed(OUTPUT, **stored)
    for name, array in arrays.items():
        print(f"{name}: {array.shape}, standard deviation {array.std():.3f}")
    print(f"{OUTPUT.stat().st_size / 1e3:.0f} kB")


main()
