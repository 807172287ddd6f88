"""The series get worse step by step, and the judge says so."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.bench.judge.graded import (
    MUST_ORDER,
    NUM_STEPS,
    GradedClip,
    Series,
    Verdict,
    draw_plot,
    draw_sheet,
    judge_series,
    look_at_clip,
    make_series,
    measure_series,
    table_of,
)
from countenance.bench.judge.measure import ClipMeasures, Judge, References, TruthLook, summarise
from countenance.bench.judge.metrics import Mask, Rgb
from countenance.errors import FaceError


@pytest.fixture(scope="module")
def clip(plates: list[Rgb], truths: list[Rgb], masks: list[Mask]) -> GradedClip:
    return GradedClip(plates=plates, truths=truths, masks=masks, strangers=None, every=3)


@pytest.fixture(scope="module")
def looks(clip: GradedClip, judge: Judge) -> list[TruthLook]:
    return look_at_clip(clip, judge)


@pytest.fixture(scope="module")
def all_series(clip: GradedClip, looks: list[TruthLook]) -> dict[str, Series]:
    return {series.name: series for series in make_series(clip, looks)}


def measured_as(shape_pct: Sequence[float | None]) -> dict[str, list[ClipMeasures]]:
    return {"plate": [replace(summarise([]), shape_pct=value) for value in shape_pct]}


def verdict(shape_pct: Sequence[float | None]) -> Verdict:
    return next(each for each in judge_series(measured_as(shape_pct)) if each.measure == "shape_pct")


def test_every_series_leaves_the_truth_further_behind_and_all_else_alone(
    all_series: dict[str, Series], clip: GradedClip
) -> None:
    truth, outside = clip.truths[0].astype(np.float32), clip.masks[0] == 0
    for series in all_series.values():
        first, last = (series.make(0, step) for step in (1, NUM_STEPS))
        assert np.abs(first - truth).mean() < np.abs(last - truth).mean(), series.name
        assert (last[outside] == clip.truths[0][outside]).all(), series.name
        assert len(series.captions) == NUM_STEPS


def test_the_last_step_towards_the_plate_is_the_plate(all_series: dict[str, Series], clip: GradedClip) -> None:
    inside = clip.masks[3] == 1
    assert (all_series["plate"].make(3, NUM_STEPS)[inside] == clip.plates[3][inside]).all()


def test_every_series_must_be_ordered_by_something(all_series: dict[str, Series]) -> None:
    assert set(all_series) | {"other person"} == set().union(*MUST_ORDER.values())


@pytest.mark.parametrize("name", ["plate", "tilt"])
def test_measures_order_what_they_must(
    name: str,
    all_series: dict[str, Series],
    clip: GradedClip,
    looks: list[TruthLook],
    judge: Judge,
    references: References,
) -> None:
    chosen = {index: looks[index] for index in clip.measured}
    measured = {name: measure_series(all_series[name], chosen, references, judge)}
    wrong = [each for each in judge_series(measured) if each.is_needed and not each.is_right]
    assert not wrong


def test_a_measure_that_orders_wrongly_is_told() -> None:
    rising = [float(step) for step in range(NUM_STEPS + 1)]
    assert verdict(rising).rank == pytest.approx(1)
    assert verdict(rising).is_right
    assert verdict(rising[::-1]).rank == pytest.approx(-1)
    assert not verdict(rising[::-1]).is_right
    assert not verdict([1.0] * (NUM_STEPS + 1)).is_right
    assert not verdict([None, *rising[1:]]).is_right


def test_the_table_marks_what_is_needed_and_what_fails() -> None:
    falling = [float(-step) for step in range(NUM_STEPS + 1)]
    row = next(line for line in table_of(judge_series(measured_as(falling))).splitlines() if "shape" in line)
    assert row == "| shape, % | **-1.00** ✗ |"


def test_too_short_a_clip_is_refused(clip: GradedClip, judge: Judge) -> None:
    short = GradedClip(plates=clip.plates[:5], truths=clip.truths[:5], masks=clip.masks[:5], strangers=None)
    with pytest.raises(FaceError, match="expected more than 15 frames"):
        look_at_clip(short, judge)


def test_sheet_and_plot_are_drawn(tmp_path: Path, all_series: dict[str, Series], looks: list[TruthLook]) -> None:
    sheet = draw_sheet([all_series["plate"], all_series["blur"]], looks, 0)
    assert sheet.shape == (2 * 148, 130 + 11 * 128, 3)
    draw_plot(tmp_path / "plot.png", measured_as([float(step) for step in range(NUM_STEPS + 1)]))
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.size == (1280, 1120)
