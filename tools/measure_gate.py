"""What the gate's net makes of rendered actors: every score above the limit is a false alarm.

    python -m tools.measure_gate [CLIP …]

The forty actors of docs/actors.webp, whose tones walk evenly from lightest to darkest, each in three framings: as
rendered, a close-up (the middle half), and nothing but skin around nose and cheek (an eighth); and of clips of rendered
actors a frame of every twelve. What it can't show: how many intimate pictures the net misses, and how it scores real
people.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from countenance.gates import MAX_SCORE
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.nudity import NudityNet

SHEET = Path(__file__).parents[1] / "docs/actors.webp"
ROWS, COLUMNS, EVERY = 5, 8, 12


def framings(rgb: UInt8[np.ndarray, "S S 3"]) -> dict[str, UInt8[np.ndarray, "_ _ 3"]]:
    """Parts of an actor's picture, whose face lies in its middle."""
    side = len(rgb)
    half, eighth = slice(side // 4, 3 * side // 4), (slice(side // 2, 5 * side // 8), slice(3 * side // 8, side // 2))
    return {"actors": rgb, "close-ups": rgb[half, half], "skin alone": rgb[eighth]}


def main() -> None:
    """Print how often the gate would stop what it should let through."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    net, scores = NudityNet(), defaultdict[str, list[float]](list)
    sheet = np.asarray(Image.open(SHEET).convert("RGB"))
    side, tops = sheet.shape[1] // COLUMNS, np.linspace(0, len(sheet), ROWS, endpoint=False).astype(int).tolist()
    for top in tops:
        for left in range(0, sheet.shape[1], side):
            for name, part in framings(sheet[top : top + side, left : left + side]).items():
                scores[name].append(net(np.ascontiguousarray(part)))
    for path in parser.parse_args().clips:
        info = probe(path)
        scores["clips"] += [net(frame.rgb) for frame in read_frames(info, wanted=range(0, info.num_frames, EVERY))]
    print("| pictures | number | highest | above 0.2 | above the limit |\n| --- | --- | --- | --- | --- |")
    for name, several in scores.items():
        found = np.array(several)
        print(
            f"| {name} | {len(found)} | {found.max():.3f} | {(found > 0.2).sum()} | {(found > MAX_SCORE).sum()} |",
        )


if __name__ == "__main__":
    main()
