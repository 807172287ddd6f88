from dataclasses import replace

import pytest

from countenance.forensics.signal import Signal
from countenance.forensics.signalled import LIMITS, MOST_TOLD, signal_finding
from tests.support.signals import CARD, signal_of, track_of, with_track

ALTERED, NEITHER, UNTOUCHED = 0.8, 0.5, 0.2


@pytest.mark.parametrize(
    ("score", "state", "result"),
    [
        (ALTERED, "noticed", "Result: something to look into, and no proof."),
        (NEITHER, "inconclusive", "Result: inconclusive."),
        (UNTOUCHED, "unnoticed", "Result: no signs noticed, which doesn't show that a face is genuine."),
    ],
)
def test_two_limits_make_three_results(score: float, state: str, result: str) -> None:
    finding = signal_finding(signal_of(score, score, score), CARD)
    assert (finding.about, finding.state) == ("signal", state)
    assert finding.summary.endswith(result)


def test_it_says_how_often_it_was_wrong_and_that_no_real_person_was_tested() -> None:
    finding = signal_finding(signal_of(ALTERED, ALTERED, UNTOUCHED), CARD)
    assert finding.summary.startswith("The detector noticed signs like those of replaced faces in 2 of 3 frames. On ")
    assert "misses about 12 in 100 altered clips and flags 5 in 100 untouched ones" in finding.summary
    assert "40 clips of rendered actors" in finding.summary
    assert "none a real one" in finding.summary
    assert finding.limits == LIMITS
    assert "not on real ones" in LIMITS[0]


def test_footage_unlike_what_was_tested_is_inconclusive_without_rates_or_counts() -> None:
    finding = signal_finding(signal_of(ALTERED, ALTERED, distance=1.01), CARD)
    assert finding.state == "inconclusive"
    assert finding.summary.startswith("The faces here are unlike what the detector was tested on")
    assert "frames" not in finding.summary
    assert finding.reasons == (
        "face 1, 0.0 to 0.0 s: unlike the footage that the detector was tested on, so it isn't judged",
    )


def test_a_face_that_is_unlike_does_not_count_beside_one_that_is_not() -> None:
    signal = with_track(signal_of(UNTOUCHED, UNTOUCHED), track_of(ALTERED, ALTERED, distance=2))
    finding = signal_finding(signal, CARD)
    assert finding.state == "unnoticed"
    assert finding.summary.startswith("The detector noticed no signs")


def test_one_face_with_signs_among_others_is_noticed() -> None:
    signal = with_track(signal_of(UNTOUCHED, UNTOUCHED), track_of(ALTERED, ALTERED))
    assert signal_finding(signal, CARD).state == "noticed"


def test_too_few_moments_and_no_faces_are_inconclusive() -> None:
    brief = replace(signal_of(ALTERED), num_frames=30)
    assert signal_finding(brief, CARD).summary.startswith("The faces here are seen in too few frames")
    nobody = signal_finding(Signal(tracks=(), num_frames=30), CARD)
    assert nobody.state == brief_state(brief) == "inconclusive"
    assert "in the 30 frames looked at" in nobody.summary


def brief_state(signal: Signal) -> str:
    return signal_finding(signal, CARD).state


def test_a_single_picture_is_not_judged_by_limits_of_clips() -> None:
    finding = signal_finding(signal_of(ALTERED), CARD)
    assert finding.state == "inconclusive"
    assert finding.summary.startswith("The faces here are seen in too few frames for the detector, which was tested on")


def test_single_frames_are_told_apart_from_the_whole() -> None:
    finding = signal_finding(signal_of(ALTERED, UNTOUCHED, UNTOUCHED, UNTOUCHED), CARD)
    assert finding.state == "unnoticed"
    assert finding.summary.startswith(
        "Faces looked like replaced ones to the detector in 1 of 4 frames, and taken together they didn't."
    )


def test_faces_that_were_left_out_are_told() -> None:
    left_out = replace(signal_of(UNTOUCHED, UNTOUCHED), num_left_out=3)
    assert any("not judged: 3 more" in reason for reason in signal_finding(left_out, CARD).reasons)
    assert any(
        "not judged" in reason
        for reason in signal_finding(Signal(tracks=(), num_frames=3, num_left_out=1), CARD).reasons
    )


def test_that_none_was_flagged_is_not_told_as_never() -> None:
    never = replace(CARD, flagged_of_100=0.0, num_untouched=60)
    assert (
        "flags fewer than about 5 in 100 untouched ones"
        in signal_finding(signal_of(UNTOUCHED, UNTOUCHED), never).summary
    )


def test_a_file_that_could_not_be_looked_at_says_why() -> None:
    finding = signal_finding(Signal(tracks=(), num_frames=0, why_not="it is damaged"), CARD)
    assert (finding.state, finding.reasons) == ("unknown", ("it is damaged",))


def test_no_number_says_how_fake_a_file_is() -> None:
    for scores in ((0.83, 0.91), (0.13, 0.21), (0.47, 0.53)):
        finding = signal_finding(signal_of(*scores), CARD)
        text = " ".join((finding.summary, *finding.reasons))
        assert "%" not in text
        assert "0." not in text.replace("0.0 to 0.0 s", "")


def test_of_a_crowd_only_some_have_a_line() -> None:
    signal = Signal(tracks=tuple(track_of(UNTOUCHED, UNTOUCHED, number=n) for n in range(1, 31)), num_frames=2)
    reasons = signal_finding(signal, CARD).reasons
    assert len(reasons) == MOST_TOLD + 1
    assert reasons[-1] == "and 10 more faces"


def test_frames_are_told_apart_by_their_times_where_some_follow_each_other_faster() -> None:
    signal = signal_of(ALTERED, ALTERED, ALTERED)
    (track,) = signal.tracks
    # As in a clip of variable rate, of whose mean rate all three would be the first frame.
    looks = tuple(replace(look, time_s=0.004 * number) for number, look in enumerate(track.faces))
    finding = signal_finding(replace(signal, tracks=(replace(track, faces=looks),)), CARD)
    assert "in 3 of 3 frames" in finding.summary
