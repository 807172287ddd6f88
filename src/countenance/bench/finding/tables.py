"""The results as tables in Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from countenance.bench.finding.measure import COVERING, NEEDED_SHOWN
from countenance.bench.finding.script import CONDITIONS
from countenance.bench.table import NONE, markdown

BANDS_DEG = ((0, 20), (20, 40), (40, 60), (60, 75))

Row = Mapping[str, Any]
"""Of the results: a clip's measures, or a face's, as JSON has them."""


def document(results: Row, command: str) -> str:
    """Targets and results, then all figures by condition, by yaw, and compared; Markdown."""
    clips = results["clips"]
    num_frames = sum(clip["num_frames"] for clip in clips)
    facts = results["machine"]
    return "\n".join(
        [
            f"`{command}` · {len(clips)} clips, {num_frames} frames of 1280 × 720 px · "
            f"{facts['processor']}, one thread; torch {facts['torch']}",
            "",
            claims_table(clips),
            "",
            "By condition:",
            "",
            condition_table(clips),
            "",
            "By how far the head is turned, over all clips:",
            "",
            yaw_table(clips),
            "",
            "Compared with every frame analysed on its own, and with the mesh's hull as mask:",
            "",
            side_by_side_table(clips),
            "",
        ]
    )


def claims_table(clips: Sequence[Row]) -> str:
    """Targets and results in one table."""
    faces = [face for clip in clips for face in clip["faces"]]
    wrong = [sum(clip[f"num_wrong_{what}"] for clip in clips) for what in ("kept", "unsure", "left_out")]
    covering = {name: _left_out(faces, "mask", [name]) for name in COVERING}
    lines = [
        ("recall to 60° of yaw", "≥ 98%", _percent(_recall(faces, 60, "is_stored"))),
        ("somebody else's face stored", "none", "{} kept, {} unsure, {} left out".format(*wrong)),
        ("mean landmark error", "≤ 3%", _number(_mean(faces, "mesh_pct"), 2, "%")),
        ("mask IoU, face skin", "≥ 0.95", fraction(_mean_mask(faces, "mask", "skin_iou"))),
        ("found of what hides a face", "≥ 0.85", fraction(_left_out(faces, "mask", COVERING))),
        *((f"· {name}", "", fraction(part)) for name, part in covering.items()),
    ]
    return markdown(("measure", "asked", "reached"), lines)


def condition_table(clips: Sequence[Row]) -> str:
    """All figures of `prepare`."""
    heading = (
        "condition",
        "faces",
        "recall to 60°",
        "to 75°",
        "kept",
        "false finds",
        "wrong person",
        "landmarks",
        "5 points",
        "mask IoU",
        "skin IoU",
        *COVERING,
        "hull masks",
    )
    lines = []
    for name, chosen in _by_condition(clips):
        faces = [face for clip in chosen for face in clip["faces"]]
        due = [face for face in faces if face["shown"] >= NEEDED_SHOWN]
        wrong = "/".join(
            str(sum(clip[f"num_wrong_{what}"] for clip in chosen)) for what in ("kept", "unsure", "left_out")
        )
        lines.append(
            (
                name,
                str(len(due)),
                _percent(_recall(faces, 60, "is_stored")),
                _percent(_recall(faces, 75, "is_stored")),
                str(sum(face["is_kept"] for face in faces)),
                str(sum(clip["num_false"] for clip in chosen)),
                wrong,
                _number(_mean(faces, "mesh_pct"), 2, "%"),
                _number(_mean(faces, "five_pct"), 2, "%"),
                fraction(_mean_mask(faces, "mask", "iou")),
                fraction(_mean_mask(faces, "mask", "skin_iou")),
                *(fraction(_left_out(faces, "mask", [what])) for what in COVERING),
                str(sum(face["mask_origin"] == "hull" for face in faces)),
            )
        )
    return markdown(heading, lines)


def yaw_table(clips: Sequence[Row]) -> str:
    """The same faces by bands of yaw."""
    heading = ("yaw", "faces", "recall", "alone", "landmarks", "mask IoU", "skin IoU", "hull IoU")
    lines = []
    for low, high in BANDS_DEG:
        faces = [face for clip in clips for face in clip["faces"] if low <= abs(face["yaw_deg"]) < high]
        lines.append(
            (
                f"{low}–{high}°",
                str(sum(face["shown"] >= NEEDED_SHOWN for face in faces)),
                _percent(_recall(faces, 180, "is_stored")),
                _percent(_recall(faces, 180, "is_found_alone")),
                _number(_mean(faces, "mesh_pct"), 2, "%"),
                fraction(_mean_mask(faces, "mask", "iou")),
                fraction(_mean_mask(faces, "mask", "skin_iou")),
                fraction(_mean_mask(faces, "hull", "iou")),
            )
        )
    return markdown(heading, lines)


def side_by_side_table(clips: Sequence[Row]) -> str:
    """Each cell: `prepare`, then the plain way."""
    heading = (
        "condition",
        "recall to 60°",
        "to 75°",
        "landmarks",
        "jitter",
        "false finds",
        "CPU-ms a frame",
        "all of prepare",
        "mask IoU",
        "skin IoU",
        "in front",
    )
    lines = []
    for name, chosen in _by_condition(clips):
        faces = [face for clip in chosen for face in clip["faces"]]
        num_frames = sum(clip["num_frames"] for clip in chosen)
        pairs = [
            *(
                (_percent(_recall(faces, limit, "is_stored")), _percent(_recall(faces, limit, "is_found_alone")))
                for limit in (60, 75)
            ),
            *(
                (_number(_mean(faces, f"{what}_pct"), 2, "%"), _number(_mean(faces, f"{what}_alone_pct"), 2, "%"))
                for what in ("mesh", "jitter")
            ),
            tuple(str(sum(clip[what] for clip in chosen)) for what in ("num_false", "num_false_alone")),
            tuple(
                _number(1000 * sum(clip[what] for clip in chosen) / num_frames, 0)
                for what in ("following_s", "alone_s")
            ),
        ]
        masks = [
            *(
                tuple(fraction(_mean_mask(faces, which, what)) for which in ("mask", "hull"))
                for what in ("iou", "skin_iou")
            ),
            tuple(fraction(_left_out(faces, which, ["in front"])) for which in ("mask", "hull")),
        ]
        whole = _number(1000 * sum(clip["prepare_s"] for clip in chosen) / num_frames, 0)
        lines.append((name, *map(" · ".join, pairs), whole, *map(" · ".join, masks)))
    return markdown(heading, lines)


def _by_condition(clips: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    groups = [(name, [clip for clip in clips if clip["condition"] == name]) for name in CONDITIONS]
    return [*((name, chosen) for name, chosen in groups if chosen), ("all", list(clips))]


def _recall(faces: Sequence[Row], max_yaw_deg: float, found: str) -> float | None:
    due = [face for face in faces if face["shown"] >= NEEDED_SHOWN and abs(face["yaw_deg"]) <= max_yaw_deg]
    return sum(face[found] for face in due) / len(due) if due else None


def _mean(faces: Sequence[Row], name: str) -> float | None:
    """Over the faces that must be found and were."""
    values = [face[name] for face in faces if face["shown"] >= NEEDED_SHOWN and face[name] is not None]
    return float(np.mean(values)) if values else None


def _mean_mask(faces: Sequence[Row], which: str, name: str) -> float | None:
    values = [face[which][name] for face in faces if face["shown"] >= NEEDED_SHOWN and face[which] is not None]
    return float(np.mean(values)) if values else None


def _left_out(faces: Sequence[Row], which: str, names: Iterable[str]) -> float | None:
    """Fraction of all occluding pixels, over all faces together, that the masks leave out."""
    pairs = [face[which]["covering_px"][name] for face in faces if face[which] is not None for name in names]
    total = sum(pixels for pixels, _ in pairs)
    return sum(out for _, out in pairs) / total if total else None


def _percent(part: float | None) -> str:
    return NONE if part is None else f"{100 * part:.1f}%"


def fraction(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _number(value: float | None, decimals: int, unit: str = "") -> str:
    return NONE if value is None else f"{value:.{decimals}f}{unit}"
