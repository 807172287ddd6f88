"""What findings are called, what their states mean, and what none of them can tell, in words for a layman."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from countenance.types import Finding, FindingState


@dataclass(frozen=True, kw_only=True, slots=True)
class StateWords:
    """How a state is shown: never by a colour alone."""

    word: str
    symbol: str
    colour: str
    """As terminals name it."""


SOMETHING = StateWords(word="noticed", symbol="!", colour="magenta")
STATES: Mapping[FindingState, StateWords] = {
    "trusted": StateWords(word="trusted", symbol="✓", colour="green"),
    "valid": StateWords(word="holds", symbol="✓", colour="cyan"),
    "invalid": StateWords(word="does not hold", symbol="✗", colour="red"),
    "missing": StateWords(word="none", symbol="–", colour="yellow"),
    "unknown": StateWords(word="unknown", symbol="?", colour="yellow"),
    "noticed": SOMETHING,
    "unnoticed": StateWords(word="nothing noticed", symbol="–", colour="yellow"),
    "inconclusive": StateWords(word="inconclusive", symbol="~", colour="yellow"),
}

FOUND: Mapping[str, StateWords] = {
    "edits": replace(SOMETHING, word="face replaced"),
    "watermark": replace(SOMETHING, word="found"),
}
"""What a list says of findings that hold: what they hold is a replaced face, which no tick may hide."""

QUESTIONS: Mapping[str, tuple[str, str]] = {
    "credentials": ("Credentials", "Does the file carry a signed statement of its origin, and does that still hold?"),
    "log": ("Project log", "Does a project on this computer say that it published exactly this file?"),
    "edits": ("Stated edits", "What do those who made the file say was altered?"),
    "watermark": ("Watermark", "Does the picture carry the invisible mark of files made with Countenance?"),
    "traces": ("Traces of editing", "What do the file's packaging and coding tell of its way here?"),
    "signal": ("Detector", "Do faces in it look, to a program, like replaced ones?"),
}
"""Of each finding, its name and what it asks; the firmest first."""

ANSWERS: Mapping[tuple[str, FindingState], str] = {
    ("credentials", "trusted"): "Signed on this computer, unaltered since",
    ("credentials", "valid"): "Unaltered since it was signed, by somebody unknown here",
    ("credentials", "invalid"): "There are some, and they don't hold",
    ("credentials", "missing"): "None in the file",
    ("log", "valid"): "The project here published this file",
    ("log", "invalid"): "The log here was changed",
    ("log", "missing"): "Not asked: this was checked outside of a project",
    ("log", "unknown"): "Nothing that can be relied on",
    ("edits", "trusted"): "A face was replaced: so says a statement signed on this computer",
    ("edits", "valid"): "A face was replaced: so says somebody unknown here",
    ("edits", "invalid"): "Stated, but the statement doesn't hold",
    ("edits", "missing"): "Nothing is stated",
    ("edits", "unknown"): "Nothing certain about this very file",
    ("watermark", "trusted"): "Found: it is that of a file with a replaced face, signed on this computer",
    ("watermark", "valid"): "Found: it is that of a file with a replaced face, signed by somebody unknown here",
    ("watermark", "invalid"): "Found, but it doesn't belong to this footage",
    ("watermark", "missing"): "None found",
    ("watermark", "unknown"): "Uncertain",
    ("traces", "noticed"): "Something was noticed",
    ("traces", "unnoticed"): "Nothing was noticed",
    ("traces", "unknown"): "Couldn't be looked for",
    ("signal", "noticed"): "Signs were noticed",
    ("signal", "unnoticed"): "No signs were noticed",
    ("signal", "inconclusive"): "Inconclusive",
    ("signal", "unknown"): "Couldn't be looked for",
}
"""A state as the answer to its finding's question."""

ALWAYS: Mapping[str, tuple[str, ...]] = {
    "credentials": (
        "Credentials say who signed a file and whether it was changed since, not whether what it shows is true: a "
        "staged scene can be signed as well.",
    ),
    "log": (
        "A log knows what its own project published, as it was then: of other files, and of changed copies, it says "
        "nothing.",
    ),
    "edits": ("This repeats what somebody stated. Alterations that nobody stated, or that came later, aren't in it.",),
    "watermark": (
        "Only files made with Countenance carry this mark: it says nothing of what other programs do.",
        "Strong compression can lose a mark, and somebody who wants to can remove it: that none is found proves "
        "nothing.",
    ),
    "traces": (
        "Everything of this can be forged, and all of it can be stripped: nothing noticed doesn't mean that nothing "
        "was changed.",
        "Nearly every file from the internet was encoded again and lost its metadata: what is noticed says where a "
        "file has been, hardly ever why.",
    ),
}
BY_STATE: Mapping[tuple[str, FindingState], tuple[str, ...]] = {
    ("credentials", "missing"): (
        "Many platforms and messengers take credentials away, and most cameras write none: genuine and altered files "
        "alike come without.",
    ),
    ("log", "missing"): ("Only people who work in a project of Countenance have such a log to ask.",),
    ("credentials", "valid"): (
        "It can't be told here who the signer is: anybody can write any name into a certificate.",
    ),
    ("credentials", "invalid"): (
        "It can't be told who changed the file, or why: a program that only saves it anew breaks credentials as a "
        "forger does.",
    ),
    ("edits", "trusted"): ("Whether the people shown agreed is in their releases, which aren't in the file.",),
    ("watermark", "invalid"): ("Who moved the mark here, and why, can't be told.",),
}
"""Beside what can never be told, what can't be told in a state."""


def with_limits(finding: Finding) -> Finding:
    """A finding with what it can't tell; one that says so itself stays as it is."""
    if finding.limits:
        return finding
    in_state = BY_STATE.get((finding.about, finding.state), ())
    # Of what isn't there, only what its absence can't tell is of use.
    if finding.state == "missing" and in_state:
        return replace(finding, limits=in_state)
    return replace(finding, limits=(*ALWAYS.get(finding.about, ()), *in_state))


def columns_of(states: Iterable[Mapping[str, FindingState]]) -> list[str]:
    """Which findings a list of files shows: those that there are, and the log only where one was asked."""
    asked = {about for each in states for about, state in each.items() if about != "log" or state != "missing"}
    return [about for about in QUESTIONS if about in asked]


def words_of(about: str, state: FindingState) -> StateWords:
    """How a finding is shown in a list."""
    return FOUND.get(about, STATES[state]) if state in {"trusted", "valid"} else STATES[state]


def answer_of(finding: Finding) -> str:
    """The state as the answer to the finding's question."""
    return ANSWERS.get((finding.about, finding.state), STATES[finding.state].word)
