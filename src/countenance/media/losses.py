"""What of a plate a new file can't hold, known before any work from the facts of both."""

from dataclasses import dataclass

from countenance.types import MediaInfo

CHROMA_NAMES = {(1, 1): "4:4:4", (1, 2): "4:4:0", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (4, 4): "4:1:0"}
"""By how many pixels share a sample of colour, across and down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedOutput:
    """What a file that isn't written yet will hold."""

    bit_depth: int
    """Bits a channel, at most."""
    chroma_step_wh: tuple[int, int]
    """How many pixels share a sample of colour, across and down."""
    has_alpha: bool
    has_even_sides: bool
    """An odd side becomes one pixel longer."""
    metadata: frozenset[str]
    """Of those in `MediaInfo.metadata`, what is kept."""


def losses(plate: MediaInfo, planned: PlannedOutput) -> tuple[str, ...]:
    """One line for everything that a plate holds and the planned file doesn't.

    How a plate is read, as where it is interlaced, stands in its own `notes`.
    """
    name, lines = plate.path.name, []
    if plate.bit_depth > planned.bit_depth:
        lines.append(f"{name} has {plate.bit_depth} bits a channel, the result has {planned.bit_depth}")
    if any(before < after for before, after in zip(plate.chroma_step_wh, planned.chroma_step_wh, strict=True)):
        before, after = _chroma(plate.chroma_step_wh), _chroma(planned.chroma_step_wh)
        lines.append(f"{name} keeps colour at {before}, the result at {after}")
    if plate.has_alpha and not planned.has_alpha:
        ground = "are shown on white" if plate.kind == "picture" else "become opaque"
        lines.append(f"{name} has transparency, the result has none: transparent parts {ground}")
    if plate.pixel_aspect != 1:
        width, height = plate.resolution_wh
        lines.append(f"{name} has pixels that aren't square; the result has square ones, {width}×{height}")
    if planned.has_even_sides and any(side % 2 for side in plate.resolution_wh):
        width, height = plate.resolution_wh
        lines.append(
            f"{name} is {width}×{height}; the result is {width + width % 2}×{height + height % 2}, "
            "with the last column or row repeated"
        )
    left_out = [kind for kind in plate.metadata if kind not in planned.metadata]
    if left_out:
        lines.append(f"{name} has {' and '.join(left_out)} that the result doesn't keep")
    return tuple(lines)


def _chroma(step_wh: tuple[int, int]) -> str:
    return CHROMA_NAMES.get(step_wh, f"1 sample for {step_wh[0]}×{step_wh[1]} pixels")
