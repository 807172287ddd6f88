"""What a file's container, metadata and coding tell, as a finding."""

from pathlib import Path

from countenance.forensics.traces import Traces, traces_of
from countenance.types import Finding

LIMITS = (
    "Everything of this can be forged, and all of it can be stripped: nothing noticed doesn't mean that nothing was "
    "changed.",
    "Nearly every file from the internet was encoded again and lost its metadata: what is noticed says where a file "
    "has been, hardly ever why.",
)


def find_traces(path: Path) -> Finding:
    """Look at a file by itself, and say what was noticed."""
    return to_finding(traces_of(path))


def to_finding(traces: Traces) -> Finding:
    """Traces as a finding; the facts stand after what was noticed."""
    if traces.why_not is not None:
        return Finding(
            about="traces",
            state="unknown",
            summary="Container, metadata and coding couldn't be looked at.",
            reasons=(traces.why_not,),
        )
    facts = tuple(f"{name}: {value}" for name, value in traces.facts)
    number = len(traces.noticed)
    if number == 0:
        return Finding(
            about="traces",
            state="unnoticed",
            summary="Nothing out of the ordinary was noticed in container, metadata and coding; that proves nothing "
            "either way.",
            reasons=facts,
            limits=(*LIMITS, *traces.limits),
        )
    things = "One thing was" if number == 1 else f"{number} things were"
    return Finding(
        about="traces",
        state="noticed",
        summary=f"{things} noticed in container, metadata and coding. Most such traces have everyday causes.",
        reasons=(*traces.noticed, *facts),
        limits=(*LIMITS, *traces.limits),
    )
