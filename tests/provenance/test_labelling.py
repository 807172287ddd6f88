from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from countenance.media.probe import probe
from countenance.provenance.credentials import Claim, sign
from countenance.provenance.keys import load_or_make_identity
from countenance.provenance.labelling import BREAK_S, CREDITS_S, corners_of, labels_in, plan_labels
from countenance.types import Corner, Excerpt, Frame, LabelledShot, Render


@pytest.fixture
def render(make_plate: Callable[..., Path], tmp_path: Path) -> Render:
    """Of a video of some seconds, a frame a second, that has two shots with something altered and one without."""

    def no_frames(_: int) -> Iterator[Frame]:
        return iter(())

    altered = (False, True, True, False, *[False] * 4, True, False)
    return Render(
        plate=replace(probe(make_plate("plate.mp4")), num_frames=len(altered)),
        frames_from=no_frames,
        altered=altered,
        work_folder=tmp_path / "render",
        model_digest="ab" * 32,
        seed=0,
        times_s=tuple(map(float, range(len(altered)))),
        labelled_shots=(
            LabelledShot(frames=range(4), corner="top left"),
            LabelledShot(frames=range(8, 10), corner="bottom right"),
        ),
    )


def test_all_of_a_shot_in_which_something_is_altered_has_the_label_in_one_place(render: Render) -> None:
    assert plan_labels(render, only_beginnings=False) == ("top left",) * 4 + (None,) * 4 + ("bottom right",) * 2


def test_what_is_altered_outside_of_all_shots_has_it_all_the_same(render: Render) -> None:
    corners = plan_labels(replace(render, labelled_shots=render.labelled_shots[1:]), only_beginnings=False)
    assert corners == (None, "top right", "top right") + (None,) * 5 + ("bottom right",) * 2


def test_a_part_has_the_labels_of_the_whole(render: Render) -> None:
    whole = plan_labels(render, only_beginnings=False)
    part = range(2, 9)
    excerpt = Excerpt(first=2, num_frames=7, begins_s=render.plate.duration, ends_s=render.plate.duration)
    of_part = replace(render, excerpt=excerpt, altered=render.altered[2:9], times_s=render.times_s[2:9])
    assert plan_labels(of_part, only_beginnings=False) == whole[part.start : part.stop]


def test_in_a_work_of_art_it_is_shown_where_altered_pictures_begin_and_again_after_a_break(render: Render) -> None:
    """A frame a second: altered 10 s, a gap that is no break, altered, a break, altered."""
    short, long = round(BREAK_S) - 1, round(BREAK_S) + 1
    altered = (False, False, *[True] * 10, *[False] * short, *[True] * 3, *[False] * long, *[True] * 8)
    all_of_it = (LabelledShot(frames=range(len(altered)), corner="top right"),)
    long_render = replace(
        render,
        plate=replace(render.plate, num_frames=len(altered)),
        altered=altered,
        times_s=tuple(map(float, range(len(altered)))),
        labelled_shots=all_of_it,
    )
    corners = plan_labels(long_render, only_beginnings=True)
    again = len(altered) - 8
    shown = [index for index, corner in enumerate(corners) if corner]
    assert shown == [*range(2, 2 + round(CREDITS_S)), *range(again, again + round(CREDITS_S))]
    # Where times aren't known nothing is left out.
    assert all(plan_labels(replace(long_render, times_s=()), only_beginnings=True))


def test_corners_are_told_once_each() -> None:
    several: tuple[Corner | None, ...] = (None, "bottom left", "top right", None, "bottom left")
    assert corners_of(several) == ("top right", "bottom left")


@pytest.mark.parametrize(
    ("changes", "corners"),
    [
        ({"label_corners": ("top left", "bottom right")}, ("top left", "bottom right")),
        ({}, ("bottom left",)),
        ({"label": "left out", "label_reason": "credits name it"}, ()),
        ({"label": "left out", "label_reason": "credits name it", "label_corners": ("top right",)}, ("top right",)),
    ],
)
def test_a_plate_s_own_labels_are_known_from_its_credentials(
    claim: Claim,
    make_plate: Callable[..., Path],
    tmp_path: Path,
    changes: dict[str, object],
    corners: tuple[Corner, ...],
) -> None:
    """Files that don't say where have theirs at the bottom left, where it was."""
    plate, signed = make_plate("plate.png"), tmp_path / "signed.png"
    sign(plate, plate, signed, replace(claim, **changes), load_or_make_identity())  # type: ignore[arg-type]
    assert labels_in(signed) == corners
    content = bytearray(signed.read_bytes())
    content[-40] ^= 1
    signed.write_bytes(content)
    assert labels_in(signed) == ()


def test_other_plates_have_none(make_plate: Callable[..., Path]) -> None:
    assert labels_in(make_plate("plate.png")) == ()
    assert labels_in(make_plate("plate.mkv")) == ()
