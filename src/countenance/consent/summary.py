"""What a release says, in plain words: what its owner reads before signing, and what is signed with it."""

from collections.abc import Sequence
from datetime import date

from countenance.consent.release import Release

USES_IN_WORDS = {
    "film": "a film or series",
    "documentary": "a documentary",
    "research": "research",
    "teaching": "teaching",
    "advertising": "paid advertising",
    "political": "political advertising",
}


def summary_of(release: Release) -> tuple[str, ...]:
    """The sentences, in the order in which they are read; those that a release already has don't count."""
    person, scope, term = release.subject.person, release.scope, release.term
    uses = _listed([USES_IN_WORDS[use] for use in scope.uses])
    if release.role == "likeness":
        what = f"The face of {person} may be put onto another person's performance, by computer."
    else:
        what = f"The face of {person} may be replaced by another one in footage of {person}, by computer."
    who = (
        f"{person} is a rendered person who exists nowhere." if release.subject.synthetic else f"{person} is an adult."
    )
    spoken = {True: (), False: (f"{release.subject.representation} spoke for {person}.",)}
    return (
        what,
        who,
        *spoken[release.subject.representation is None],
        f'It is for "{scope.project}" by {release.licensee.name}, and for {uses}: nothing else.',
        *_lines(release),
        *_limits(release),
        f"It holds from {_day(term.valid_from)} to {_day(term.expires)} (UTC).",
        *_numbered(term.num_outputs),
        f"For this, the face of {person} is measured by computer, and a program learns what it looks like.",
        "Nobody else may train with it, and what was learned may not be given to anybody else.",
        *_kept(release.data.kept_until),
        f"Every file that comes out is signed and watermarked; the label in the picture is {release.disclosure.label}.",
        _approval(release),
        f"{person} can end this at any time with the same key. What was published before can't be called back.",
        "Only the face is meant: the voice is not.",
        "Intimate pictures are never made.",
    )


def _lines(release: Release) -> tuple[str, ...]:
    """What is allowed by a line of its own, or that it isn't."""
    person, explicit = release.subject.person, release.scope.explicit
    words = {
        "words": (
            f"The face of {person} may be seen saying words that {person} never said.",
            f"The face of {person} may not be seen saying words: only plates without sound.",
        ),
        "political": ("It may be used in politics.", "It may not be used in politics."),
        "advertising": ("It may be used in paid advertising.", "It may not be used in paid advertising."),
    }
    if release.role == "performer":
        del words["words"]
    return tuple(allowed if line in explicit else refused for line, (allowed, refused) in words.items())


def _limits(release: Release) -> tuple[str, ...]:
    scope = release.scope
    limits = []
    if scope.prohibited:
        limits.append(f"It may not be used for: {scope.prohibited}")
    if scope.plates:
        limits.append(f"Only {_counted(len(scope.plates), 'plate')} may be used, named by digest.")
    if release.data.footage:
        limits.append(f"Only {_counted(len(release.data.footage), 'clip')} may be learned from, named by digest.")
    if scope.channels:
        limits.append(f"It may be shown only in: {', '.join(scope.channels)}.")
    if scope.territory:
        limits.append(f"It may be shown only in these countries: {scope.territory}")
    if scope.remarks:
        limits.append(f"Remarks: {scope.remarks}")
    return tuple(limits)


def _numbered(num_outputs: int | None) -> tuple[str, ...]:
    return () if num_outputs is None else (f"At most {_counted(num_outputs, 'file')} may be published with it.",)


def _kept(kept_until: date | None) -> tuple[str, ...]:
    if kept_until is None:
        return ()
    return (f"What is stored about the face is erased after {_day(kept_until)}.",)


def _approval(release: Release) -> str:
    person = release.subject.person
    if release.approval.needed:
        return f"{person} sees each result first, and nothing is published without their yes."
    return f"{person} is not asked about each result."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
