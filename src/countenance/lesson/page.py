"""The lesson as a page: exhibits and questions, then what the verifier finds, then answers."""

from collections.abc import Mapping, Sequence

import numpy as np

from countenance.demo.compare import pictures
from countenance.forensics.words import QUESTIONS, answer_of
from countenance.lesson.exhibits import KINDS, Exhibit, answered
from countenance.media.probe import probe
from countenance.pages import data_address, environment_of
from countenance.types import Report

NUM_PICTURES = 4
"""Of each exhibit, for paper and for those who can't play it."""
FOR_THE_CLASS = (
    "Which of these clips were altered?",
    "What tells you so: something that you see, that somebody told you, or that can be checked?",
    "What can't you know, however long you look?",
)


def lesson_page(examined: Sequence[tuple[Exhibit, Report]], reports: Mapping[int, str], *, version: str) -> str:
    """Draw the page, which lies beside the folder of the exhibits and plays them from there.

    `reports` are the places of the verifier's own pages, from this one, by the exhibits' numbers.
    """
    exhibits = [exhibit for exhibit, _ in examined]
    environment = environment_of("countenance.lesson")
    environment.filters["answered"] = lambda text: answered(text, exhibits)
    return environment.get_template("lesson.html").render(
        examined=examined,
        # A project's log isn't asked, so each report says the same of it.
        findings={
            exhibit.number: [each for each in report.findings if each.about != "log"] for exhibit, report in examined
        },
        in_order=[next(each for each in exhibits if each.kind is kind) for kind in KINDS],
        strips={each.number: _strip(each) for each in exhibits},
        reports=reports,
        answer_of=answer_of,
        asked=QUESTIONS,
        questions=FOR_THE_CLASS,
        version=version,
    )


def _strip(exhibit: Exhibit) -> list[str]:
    """Some pictures, spread over the clip, as addresses of themselves."""
    num_frames = probe(exhibit.path).num_frames
    chosen = set(np.linspace(0, num_frames - 1, NUM_PICTURES + 2).round().astype(int)[1:-1].tolist())
    return [data_address(rgb) for index, rgb in enumerate(pictures(exhibit.path)) if index in chosen]
