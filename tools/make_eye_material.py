"""Make `actors/data/eye_material.npz`: the pattern of an iris and the vessels of a sclera, without their colours.

    python tools/make_eye_material.py FOLDER

FOLDER holds MakeHuman's eye textures (`base/eyes/materials` of makehumancommunity/makehuman-assets, CC0). All eight
show one eye in eight colours, so the pattern comes from the greyest of them and colours are left to the actors.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/eye_material.npz"
TEXTURE, CENTRE_XY = "grey_eye.png", (300.5, 718.5)
NUM_ANGLES = 512
IRIS_PX, SCLERA_PX = (44, 110), (128, 284)
"""Distances from the pupil's centre at which iris and sclera begin and end."""
IRIS_ROWS, SCLERA_ROWS = 64, 96
UNIT = 96
"""Stored for what is as bright as its surroundings."""


def rings(
    picture: Float32[np.ndarray, "H W 3"], span_px: tuple[int, int], num_rows: int
) -> Float32[np.ndarray, "R A 3"]:
    """A ring unrolled: rows from the inside out, columns once around."""
    whole = cv2.warpPolar(picture, (span_px[1], NUM_ANGLES), CENTRE_XY, span_px[1], cv2.INTER_LINEAR)
    ring = whole[:, span_px[0] :].transpose(1, 0, 2)
    return np.asarray(cv2.resize(ring, (NUM_ANGLES, num_rows), interpolation=cv2.INTER_AREA), np.float32)


def relative(ring: Float32[np.ndarray, "R A 3"], sigma_rows: float) -> Float32[np.ndarray, "R A 3"]:
    """Brightness relative to the surroundings, seamless around."""
    side = NUM_ANGLES // 4
    wide = np.concatenate([ring[:, -side:], ring, ring[:, :side]], axis=1)
    return np.asarray(
        (ring + 4) / (cv2.GaussianBlur(wide, (0, 0), 40, sigmaY=sigma_rows)[:, side:-side] + 4), np.float32
    )


def main() -> None:
    picture = cv2.imread(str(Path(sys.argv[1]) / TEXTURE), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"expected {TEXTURE} in {sys.argv[1]}; give the folder of MakeHuman's eye textures")
    rgb = picture[..., ::-1].astype(np.float32)
    iris = relative(rings(rgb, IRIS_PX, IRIS_ROWS), 5.0).mean(axis=2)
    sclera = relative(rings(rgb, SCLERA_PX, SCLERA_ROWS), 24.0)
    arrays = {"iris": iris, "sclera": sclera}
    stored: dict[str, Any] = {
        name: np.clip(np.round(UNIT * array), 0, 255).astype(np.uint8) for name, array in arrays.items()
    }
    np.savez_compressed(OUTPUT, **stored)
    for name, array in arrays.items():
        print(f"{name}: {array.shape}, standard deviation {array.std():.3f}")
    print(f"{OUTPUT.stat().st_size / 1e3:.0f} kB")


main()
