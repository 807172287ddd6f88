import numpy as np

from countenance.media.spans import in_words, spans_s
from tests.media.test_excerpt import PLATE, TIMELINE


def test_frames_in_a_row_are_one_span_until_the_next_frame_begins() -> None:
    spans = spans_s(PLATE, TIMELINE, [0, 1, 3, 5])
    assert np.allclose(spans, [(0.07, 0.18), (0.2, 0.3), (0.34, 0.42)])
    assert spans_s(PLATE, TIMELINE, []) == ()


def test_in_words() -> None:
    assert in_words(PLATE, TIMELINE, [1, 2, 5]) == "3 frames between 0.10 s and 0.34 s"
    assert in_words(PLATE, TIMELINE, [3]) == "the frame at 0.20 s"
