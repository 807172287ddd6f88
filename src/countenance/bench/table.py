"""Results as tables: gains first, because an untouched plate scores 0 there, then absolute figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from countenance.bench.judge.measure import MAX_MISSED_FRACTION, ClipMeasures, gains

NONE = "–"
GAINS = {
    "identity": "identity",
    "unseen_identity": "identity, unseen net",
    "perceptual": "perceptual",
    "unseen_perceptual": "perceptual, unseen net",
    "ssim": "SSIM",
    "shape": "shape",
}
"""Field and heading; the unseen nets are known to the judge only."""
ABSOLUTE: tuple[tuple[str, str, int], ...] = (
    ("ssim", "SSIM", 3),
    ("psnr_db", "PSNR dB", 1),
    ("perceptual", "perceptual", 3),
    ("unseen_perceptual", "perceptual, unseen", 3),
    ("likeness_distance", "to likeness", 3),
    ("unseen_likeness_distance", "to likeness, unseen", 3),
    ("likeness_spread", "spread", 3),
    ("performer_distance", "to performer", 3),
    ("nearer", "nearer", 2),
    ("unseen_nearer", "nearer, unseen", 2),
    ("shape_pct", "shape %", 2),
    ("expression_pct", "expression %", 2),
    ("gaze_deg", "gaze °", 1),
    ("pose_deg", "pose °", 1),
    ("colour_de", "colour ΔE", 1),
    ("light", "light L*", 1),
    ("seam", "seam", 2),
    ("flicker", "flicker", 2),
    ("sharpness", "sharpness", 2),
    ("num_missed", "missed", 0),
)
"""Field, heading, decimals."""
FROM_MESH = ("shape_pct", "expression_pct", "gaze_deg", "pose_deg")
"""Not meaningful where the mesh is found in a few frames only."""


def results_with_gains(results: Mapping[str, Any]) -> dict[str, Any]:
    """The results with each stage's gains over its case's untouched plate."""
    plates = {
        row["case"]: ClipMeasures(**row["stages"][0]["measures"])
        for row in results["rows"]
        if row["method"] == "plate" and row["stages"]
    }
    rows = []
    for row in results["rows"]:
        stages = []
        for stage in row["stages"]:
            plate = plates.get(row["case"])
            gained = None if plate is None else gains(ClipMeasures(**stage["measures"]), plate)
            stages.append({**stage, "gains": {name: gained and getattr(gained, name) for name in GAINS}})
        rows.append({**row, "stages": stages})
    return {**results, "rows": rows}


def failures(results: Mapping[str, Any]) -> list[str]:
    """What failed and why, a line each."""
    return [f"{row['case']}, {row['method']}: {row['error']}" for row in results["rows"] if "error" in row]


def gains_table(results: Mapping[str, Any]) -> str:
    """Markdown: what each method gained over the untouched plate at the end of its budget."""
    heading = ("case", "method", "CPU-s", "images", *GAINS.values())
    lines = []
    for row in results["rows"]:
        if not row["stages"]:
            lines.append(_failed(row, heading))
            continue
        last = row["stages"][-1]
        lines.append(
            (
                row["case"],
                row["method"],
                _number(last["cpu_s"], 0),
                f"{last['images']:,}",
                *(_number(last["gains"][name], 2, signed=True) for name in GAINS),
            )
        )
    return markdown(heading, lines)


def absolute_table(results: Mapping[str, Any]) -> str:
    """Markdown: every figure of every method."""
    heading = ("case", "method", *(name for _, name, _ in ABSOLUTE), "draw CPU-ms", "peak MB")
    lines = []
    for row in results["rows"]:
        if not row["stages"]:
            lines.append(_failed(row, heading))
            continue
        last, measures = row["stages"][-1], row["stages"][-1]["measures"]
        drawn = last.get("generate_cpu_s")
        peak = row["peak_memory_mb"]
        lines.append(
            (
                row["case"],
                row["method"],
                *(_number(_shown(measures, field), decimals) for field, _, decimals in ABSOLUTE),
                _number(drawn and 1000 * drawn / measures["num_frames"], 0),
                f"{max(peak.values()):,}" if peak else NONE,
            )
        )
    return markdown(heading, lines)


def means_table(results: Mapping[str, Any]) -> str:
    """Markdown: each method's mean gains over the cases in which it didn't fail, and how many failed.

    Over all pairs, then over those of near tones, the easy ones, and of far tones, where there are both.
    """
    heading = ("method", "pairs", "cases", "failed", *GAINS.values())
    tones = {case["name"]: case["tones"] for case in results["cases"]}
    groups = ("all", "near", "far") if len(set(tones.values())) > 1 else ("all",)
    lines = []
    for method in dict.fromkeys(row["method"] for row in results["rows"]):
        for group in groups:
            rows = [row for row in results["rows"] if row["method"] == method and group in ("all", tones[row["case"]])]
            whole = [row["stages"][-1]["gains"] for row in rows if row["stages"]]
            means = [_mean_of([gained[name] for gained in whole]) for name in GAINS]
            lines.append((method, group, str(len(whole)), str(len(rows) - len(whole)), *means))
    return markdown(heading, lines)


def markdown(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table that is legible as plain text: padded columns, numbers aligned right."""
    widths = [max(len(line[column]) for line in [heading, *lines]) for column in range(len(heading))]
    numeric = [all(line[column][:1] in f"+−-{NONE}0123456789" for line in lines) for column in range(len(heading))]

    def row(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(cells, widths, numeric, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [f"{'-' * (width - 1)}{':' if is_number else '-'}" for width, is_number in zip(widths, numeric, strict=True)]
    return "\n".join([row(heading), row(rule), *map(row, lines)])


def document(results: Mapping[str, Any], command: str) -> str:
    """All tables with the machine, the command and what failed, as Markdown."""
    facts = results["machine"]
    where = f"{facts['processor']}, {facts['cores']} cores, one thread a method; torch {facts['torch']}"
    failed = failures(results)
    told = ["## Failed", *(f"- {line}" for line in failed), ""] if failed else []
    return "\n".join(
        [
            "# Truth benchmark",
            f"`{command}` · {where} · {results['budget_s']:g} CPU-seconds of training for each method",
            "",
            *told,
            "## Gains: 0 is the untouched plate, 1 the truth, negative is worse than nothing",
            gains_table(results),
            "",
            "## Mean gains over the cases in which a method didn't fail and the gain is defined",
            means_table(results),
            "",
            "## Absolute figures",
            absolute_table(results),
            "",
        ]
    )


def _mean_of(gained: Sequence[float | None]) -> str:
    defined = [value for value in gained if value is not None]
    return _number(sum(defined) / len(defined) if defined else None, 2, signed=True)


def _failed(row: Mapping[str, Any], heading: Sequence[str]) -> tuple[str, ...]:
    return (row["case"], f"{row['method']} (failed)", *[NONE] * (len(heading) - 2))


def _shown(measures: Mapping[str, Any], field: str) -> float | int | None:
    num_measured = measures["num_frames"] - measures["num_without_truth"]
    is_seen = measures["num_missed"] <= MAX_MISSED_FRACTION * num_measured
    return measures[field] if is_seen or field not in FROM_MESH else None


def _number(value: float | int | None, decimals: int, *, signed: bool = False) -> str:
    if value is None:
        return NONE
    text = f"{value:{'+' if signed else ''},.{decimals}f}"
    return text.replace("-", "−")
