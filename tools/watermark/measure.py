"""Measure the watermark on all clips and attacks, and write what docs/watermark.md shows.

    python -m tools.watermark.measure [--peers PYTHON] [--write]

What was measured lies in the cache folder, a file for each clip, and is kept: a run that was killed goes on. With
`--peers`, a Python that has invisible-watermark and blind-watermark, those are measured too (peers.py). With `--write`
the page gets its tables and its picture.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from countenance.watermark.embed import mark
from countenance.watermark.read import Reading, read
from tools.watermark.attacks import ATTACKS, PICTURE_ATTACKS, Frame, attacked, decoded, encoded
from tools.watermark.clips import FOLDER, clips

VERSION = 1
"""Increment when the mark, the clips or the attacks change."""
READ_EVERY = 4
"""Of a file's frames every fourth is read."""
PICTURES = (0, 47, 95)
"""Frames of each clip that are marked as pictures too."""
RATES_CRF = (16, 23)


def measure_clip(name: str, number: int) -> dict[str, Any]:
    """Everything about one clip."""
    frames = list(clips()[name]())
    mark_id = 0x5EED_0000_0000 + number
    mark(frames[0], mark_id)
    start = time.process_time()
    marked = [mark(frame, mark_id) for frame in frames]
    result: dict[str, Any] = {"clip": name, "mark_ms": 1000 * (time.process_time() - start) / len(frames)}
    result |= _quality(frames, marked)
    result["attacks"] = {attack.name: _read_film(attacked(marked, attack), mark_id) for attack in ATTACKS}
    result["unmarked"] = _reading(read(islice(iter(frames), 0, None, READ_EVERY)), mark_id)
    result["bytes"] = {
        str(crf): [len(encoded(each, crf=crf, preset="veryfast")) for each in (frames, marked)] for crf in RATES_CRF
    }
    result["pictures"] = _pictures([frames[index] for index in PICTURES], mark_id)
    return result


def _quality(frames: Sequence[Frame], marked: Sequence[Frame]) -> dict[str, float]:
    """The mean over all frames' squared error, and over some frames' structural similarity of luminance."""
    error = np.mean([cv2.norm(a, b, cv2.NORM_L2SQR) / a.size for a, b in zip(frames, marked, strict=True)])
    grey = [
        [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (frames[index], marked[index])]
        for index in range(8, len(frames), 32)
    ]
    similar = [float(structural_similarity(a, b)) for a, b in grey]  # type: ignore[no-untyped-call]
    return {"psnr_db": float(10 * np.log10(255**2 / error)), "ssim": float(np.mean(similar))}


def _read_film(film: bytes, mark_id: int) -> dict[str, Any]:
    start = time.process_time()
    reading = _reading(read(islice(decoded(film), 0, None, READ_EVERY)), mark_id)
    return reading | {"bytes": len(film), "read_s": time.process_time() - start}


def _reading(reading: Reading | None, mark_id: int) -> dict[str, Any]:
    if reading is None:
        return {"read": "nothing", "sigma": 0.0}
    return {
        "read": "right" if reading.mark_id == mark_id else "wrong",
        "sigma": round(reading.sigma, 1),
        "frames": reading.num_frames,
        "scale": round(reading.scale, 3),
        "rotation_deg": round(reading.rotation_deg, 2),
    }


def _pictures(pictures: Sequence[Frame], mark_id: int) -> dict[str, list[dict[str, Any]]]:
    marked = [mark(picture, mark_id) for picture in pictures]
    return {
        attack: [_reading(read([change(picture)]), mark_id) for picture in marked]
        for attack, change in PICTURE_ATTACKS.items()
    }


def results(*, wait_for: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of all clips, those asked for measured now if they are missing."""
    folder = FOLDER / f"results{VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(clips()):
        path = folder / f"{name}.json"
        if not path.exists():
            if name not in wait_for:
                continue
            measured = json.dumps(measure_clip(name, number), indent=1)
            part = path.with_suffix(".part")
            part.write_text(measured)
            part.rename(path)
        yield json.loads(path.read_text())


def main() -> None:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="clips to measure; all if left out")
    asked = parser.parse_args()
    for result in results(wait_for=asked.only or list(clips())):
        missed = [name for name, reading in result["attacks"].items() if reading["read"] != "right"]
        missed += [
            f"{name} ×{count}"
            for name, readings in result["pictures"].items()
            if (count := sum(reading["read"] != "right" for reading in readings))
        ]
        print(
            f"{result['clip']}: {result['psnr_db']:.1f} dB, SSIM {result['ssim']:.4f}, {result['mark_ms']:.1f} ms; "
            f"weakest {min(reading['sigma'] for reading in result['attacks'].values()):.1f}; "
            f"not read: {', '.join(missed) or 'none'}",
            flush=True,
        )


if __name__ == "__main__":
    main()
