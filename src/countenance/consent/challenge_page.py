"""The page that asks the owner of a release for a statement: the code, and how to film it."""

from datetime import datetime

import segno
from markupsafe import Markup

from countenance.consent.challenge import Challenge
from countenance.consent.release import Release
from countenance.faces.statement import MIN_S, TURNS_WITHIN_S
from countenance.faces.turns import Turn
from countenance.pages import environment_of

TURNS_ON_PAGE: dict[Turn, tuple[str, int, str]] = {
    "left": ("Turn left", 270, "-12 0"),
    "right": ("Turn right", 90, "12 0"),
    "up": ("Look up", 0, "0 -14"),
    "down": ("Look down", 180, "0 10"),
}
"""In words, where the arrow points, in degrees clockwise from up, and how far eyes and nose are from the middle of the
head: the reader's left is the page's."""


def challenge_page(release: Release, challenge: Challenge, title: str, until: datetime) -> str:
    """The page for a challenge that can be answered until a moment; to be shown to the release's owner alone."""
    code = segno.make(challenge.code, error="h", micro=False, boost_error=False)
    # Made of digits and colours that are known here.
    svg = Markup(code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True))  # noqa: S704
    return (
        environment_of("countenance.consent")
        .get_template("challenge.html")
        .render(
            person=release.subject.person,
            title=title,
            licensee=release.licensee.name,
            until=f"{until.day} {until:%B %Y, %H:%M} UTC",
            code_svg=svg,
            code=challenge.code,
            turns=[
                {"words": words, "angle": angle, "moved": moved}
                for words, angle, moved in (TURNS_ON_PAGE[turn] for turn in challenge.turns)
            ],
            min_s=f"{MIN_S:g}",
            within_s=f"{TURNS_WITHIN_S:g}",
            release=challenge.release,
        )
    )
