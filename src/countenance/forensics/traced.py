"""What a file's container, metadata and coding tell, as a finding."""

from countenance.forensics.traces import Traces
from countenance.forensics.words import ALWAYS
from countenance.types import Finding

LIMITS = ALWAYS["traces"]


def traces_finding(traces: Traces) -> Finding:
    """What was noticed, in words; facts that are neither good nor bad aren't in it."""
    if traces.why_not is not None:
        return Finding(
            about="traces",
            state="unknown",
            summary="Container, metadata and coding couldn't be looked at.",
            reasons=(traces.why_not,),
            limits=LIMITS,
        )
    number = len(traces.noticed)
    if number == 0:
        return Finding(
            about="traces",
            state="unnoticed",
            summary="Nothing out of the ordinary was noticed in container, metadata and coding; that proves nothing "
            "either way.",
            limits=(*LIMITS, *traces.limits),
        )
    things = "One thing was" if number == 1 else f"{number} things were"
    return Finding(
        about="traces",
        state="noticed",
        summary=f"{things} noticed in container, metadata and coding. Most such traces have everyday causes.",
        reasons=traces.noticed,
        limits=(*LIMITS, *traces.limits),
    )
