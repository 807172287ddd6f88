"""From HDR to the SDR picture that everything else here looks at.

Light is taken out of its code, all above the white of SDR is rolled off by the curve of ITU-R BT.2390, section 5.4.1,
colours go from BT.2020 to BT.709, and what lies outside is clipped. Each channel by itself: bright colours become
paler, and no hue is held. Good for finding and comparing faces; no grade.
"""

import shlex
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt16

from countenance.types import Transfer

PEAK_NITS, WHITE_NITS = 1000.0, 203.0
"""Brighter light is clipped; the white of paper in HDR (ITU-R BT.2408), which becomes the white of SDR."""
DISPLAY_GAMMA = 2.4
"""Of ITU-R BT.1886."""
BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear light, from ITU-R BT.2087."""


SDR_FILTERS = (
    f"zscale=t=linear:npl={WHITE_NITS:.0f}",
    "format=gbrpf32le",
    "zscale=p=bt709",
    "tonemap=mobius:desat=0",
    "zscale=t=bt709:m=bt709:r=tv",
    "format=yuv420p",
)
"""FFmpeg's filters, all in the builds that distributions ship, that make a file in SDR for people to work with."""


def sdr_command(path: Path) -> str:
    """The command that makes an SDR copy of an HDR video, beside it, with its sound."""
    copy = path.with_name(f"{path.stem}_sdr.mp4")
    words = ["ffmpeg", "-i", str(path), "-map", "0:v:0", "-map", "0:a?", "-vf", ",".join(SDR_FILTERS)]
    return shlex.join([*words, "-c:v", "libx264", "-crf", "12", "-c:a", "copy", str(copy)])


def to_sdr(code: UInt16[np.ndarray, "H W 3"], transfer: Transfer, *, is_wide: bool) -> UInt8[np.ndarray, "H W 3"]:
    """Tone-map a picture in PQ or HLG, full range; `is_wide` where its colours are those of BT.2020."""
    light = _curve(transfer)[code]
    if is_wide:
        light = cv2.transform(light, BT2020_TO_BT709)
    shown = cv2.pow(np.clip(light, 0, 1), 1 / DISPLAY_GAMMA)
    return np.asarray(np.rint(shown * 255), np.uint8)


@cache
def _curve(transfer: Transfer) -> Float32[np.ndarray, "65536"]:
    """Light in parts of SDR's white for every code."""
    code = np.arange(65536) / 65535
    nits = _pq_to_nits(code) if transfer == "pq" else _hlg_to_nits(code)
    return np.asarray(_pq_to_nits(_rolled_off(_nits_to_pq(nits))) / WHITE_NITS, np.float32)


def _rolled_off(pq: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """Codes of PQ up to the peak pressed below those of SDR's white; below the knee they stay."""
    peak, white = _nits_to_pq(np.array([PEAK_NITS, WHITE_NITS]))
    at, most = np.minimum(pq / peak, 1), white / peak
    knee = 1.5 * most - 0.5
    t = np.clip((at - knee) / (1 - knee), 0, 1)
    rolled = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return np.asarray(np.where(at < knee, at, rolled) * peak)


# Constants of SMPTE ST 2084.
M1, M2, C1, C2, C3 = 2610 / 16384, 2523 / 4096 * 128, 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def _pq_to_nits(code: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    power = code ** (1 / M2)
    return np.asarray(10000 * (np.maximum(power - C1, 0) / (C2 - C3 * power)) ** (1 / M1))


def _nits_to_pq(nits: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    power = (nits / 10000) ** M1
    return np.asarray(((C1 + C2 * power) / (1 + C3 * power)) ** M2)


def _hlg_to_nits(code: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " N"]:
    """ITU-R BT.2100 on a display of 1000 cd/m², whose gamma of 1.2 is applied to each channel instead of to luma."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return np.asarray(PEAK_NITS * scene**1.2)
