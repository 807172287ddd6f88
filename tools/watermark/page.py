"""Write what was measured into docs/watermark.md, and draw its picture.

python -m tools.watermark.page
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from countenance.watermark.embed import mark
from tools.watermark import measure, peers
from tools.watermark.attacks import ATTACKS, PICTURE_ATTACKS
from tools.watermark.clips import FOLDER, FPS, NUM_FRAMES, clips

PAGE = Path(__file__).parents[2] / "docs" / "watermark.md"
SHOWN = ("photograph, pan", "sky", "cartoon")
AMPLIFIED = 16


def clip_table(results: Sequence[dict[str, Any]]) -> str:
    """A row for each clip."""
    heads = ("clip", "PSNR, dB", "SSIM", "weakest reading, sigma", "not read", "kbit/s at CRF 16", "at CRF 23")
    rows = [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
    for result in results:
        sigmas = [reading["sigma"] for reading in result["attacks"].values() if reading["read"] == "right"]
        missed = [name for name, reading in result["attacks"].items() if reading["read"] != "right"]
        rates = [_rate(*sizes) for sizes in result["bytes"].values()]
        rows.append(
            f"| {result['clip']} | {result['psnr_db']:.1f} | {result['ssim']:.3f} | {min(sigmas, default=0):.1f} "
            f"| {', '.join(missed) or '–'} | {' | '.join(rates)} |"
        )
    return "\n".join(rows)


def _rate(plain: int, marked: int) -> str:
    """What the bytes of a clip, without and with a mark, are a second, and how much more that is."""
    before, after = (8 * size / 1000 * FPS / NUM_FRAMES for size in (plain, marked))
    return f"{before:,.0f} → {after:,.0f} ({marked / plain - 1:+.0%})"


def attack_table(results: Sequence[dict[str, Any]]) -> str:
    """A row for each attack."""
    rows = ["| what was done | read | asked | median sigma | most frames looked at |", "|" + " --- |" * 5]
    for attack in ATTACKS:
        readings = [result["attacks"][attack.name] for result in results]
        rows.append(
            f"| {attack.name} | {_count(readings)} | {attack.target:.0%} "
            f"| {np.median([reading['sigma'] for reading in readings]):.1f} "
            f"| {max(reading.get('frames', 0) for reading in readings)} |"
        )
    for name in PICTURE_ATTACKS:
        readings = [reading for result in results for reading in result["pictures"][name]]
        sigma = np.median([reading["sigma"] for reading in readings])
        rows.append(f"| picture: {name} | {_count(readings)} | 99% | {sigma:.1f} | 1 |")
    return "\n".join(rows)


def _count(readings: Sequence[dict[str, Any]]) -> str:
    assert all(reading["read"] != "wrong" for reading in readings), "a mark was misread"
    right = sum(reading["read"] == "right" for reading in readings)
    return f"{right} of {len(readings)} ({right / len(readings):.0%})"


def peer_table(results: Sequence[dict[str, Any]]) -> str:
    """A column for each method."""
    rows = [
        "| | " + " | ".join(result["method"] for result in results) + " |",
        "|" + " --- |" * (len(results) + 1),
        "| PSNR, dB | " + " | ".join(f"{result['psnr_db']:.1f}" for result in results) + " |",
        "| SSIM | " + " | ".join(f"{result['ssim']:.3f}" for result in results) + " |",
        "| ms to mark a picture | " + " | ".join(f"{result['mark_ms']:.0f}" for result in results) + " |",
    ]
    for attack in results[0]["right"]:
        cells = []
        for result in results:
            right = result["right"][attack]
            whole = f"{sum(part == 1 for part in right)} of {len(right)}"
            cells.append(whole if result["method"] == "ours" else f"{whole}, {np.mean(right):.0%} of bits")
        rows.append(f"| {attack} | {' | '.join(cells)} |")
    return "\n".join(rows)


def unmarked_line() -> str:
    """What was read where nothing is."""
    lines = [json.loads(line) for line in (FOLDER / "unmarked.jsonl").read_text().splitlines()]
    words = np.array([word for line in lines for word in line["words"]])
    proposed = [sigma for line in lines for sigma in line["proposed"]]
    return (
        f"{sum(line['frames'] for line in lines):,} frames without a mark, in {len(lines):,} clips: "
        f"{sum(line['read'] is not None for line in lines)} readings. "
        f"Of {len(words):,} words chosen at random and compared with these, sigma has a root mean square of "
        f"{np.sqrt(np.mean(words**2)):.2f}, and the largest is {np.abs(words).max():.1f} "
        f"(of so many throws of coins about {np.sqrt(2 * np.log(len(words))):.1f} is expected). "
        + (
            f"The largest of a word that the decoder proposed is {max(proposed):.1f}."
            if proposed
            else "No place was likely enough to be decoded, or no word passed the check."
        )
    )


def draw_picture(path: Path) -> None:
    """Without, with, and sixteen times the difference."""
    rows = []
    for name in SHOWN:
        plain = next(iter(clips()[name]()))
        marked = mark(plain, 0x5EED_0BAD_CAFE)
        difference = np.clip(128 + AMPLIFIED * (marked.astype(np.int16) - plain), 0, 255).astype(np.uint8)
        rows.append(np.concatenate([each[180:480, 400:900] for each in (plain, marked, difference)], axis=1))
    Image.fromarray(np.concatenate(rows)).save(path, quality=92)


def main() -> None:
    cv2.setNumThreads(1)
    results = list(measure.results(wait_for=()))
    text = PAGE.read_text()
    for name, table in {
        "clips": clip_table(results),
        "attacks": attack_table(results),
        "peers": peer_table(list(peers.results())),
        "unmarked": unmarked_line(),
    }.items():
        text = re.sub(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
    PAGE.write_text(text)
    draw_picture(PAGE.with_suffix(".jpg"))


if __name__ == "__main__":
    main()
