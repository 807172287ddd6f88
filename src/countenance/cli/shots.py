"""`countenance shots`: a plate's shots, and the files in which they are set."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countenance.cli.options import Json
from countenance.cli.shell import console, here, print_json
from countenance.cli.tables import print_table
from countenance.errors import UsageError

if TYPE_CHECKING:
    from countenance.steps.shots import PlateShots


def shots(
    plate: Annotated[Path, typer.Argument(metavar="PLATE", help="Video or image.", readable=False, show_default=False)],
    write: Annotated[
        list[int] | None,
        typer.Option(
            "--write", metavar="N", help="Write a file with all settings for this shot. Repeatable.", show_default=False
        ),
    ] = None,
    hold: Annotated[
        list[str] | None,
        typer.Option(
            "--hold",
            metavar="FRAME=PNG",
            help="Hold to this painted or approved picture of a frame. Repeatable.",
            show_default=False,
        ),
    ] = None,
    likeness: Annotated[
        str | None,
        typer.Option("--likeness", help="With --hold: whose face is drawn in the picture.", show_default=False),
    ] = None,
    performer: Annotated[
        str | None,
        typer.Option("--performer", help="With --hold: onto whom it is drawn.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List a plate's shots: number, frames, times, and what is set for them.

    Each shot can have a small file: how far the face goes towards the likeness, mask, feather, colour, sharpness, and
    whose face is replaced, each also keyed in time (docs/shots.md). --write makes one to edit.

    Example: countenance shots plate.mp4

    Example: countenance shots plate.mp4 --write 3

    `countenance generate plate.mp4 --likeness dana --performer kim --frames 130 --output frame.png` publishes one frame
    as a picture. An artist paints the drawn face in it and gives it back: the render then shows it so at this frame,
    and carries what was painted to those beside.

    Example: countenance shots plate.mp4 --hold 130=painted.png --likeness dana --performer kim
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide
    from countenance.steps.documents import shots_document
    from countenance.steps.shots import hold_frames, list_shots, write_shots

    frames = _held(hold or [])
    if (likeness is None or performer is None) if frames else (likeness is not None or performer is not None):
        raise UsageError("expected --hold with both --likeness and --performer, whose face was drawn onto whom")
    with here(writing=True) as project, Bars() as progress:
        held = []
        if likeness is not None and performer is not None:
            permit = decide(project, "generate", likeness=_person(likeness), performer=performer)
            held = hold_frames(project, plate, permit, frames)
        written = write_shots(project, plate, write, progress) if write else []
        found = list_shots(project, plate, progress)
    for frame in held:
        console.print(
            f"Holding to {frame.path} at frame {frame.index}; delete it to let go. Run `countenance generate` again.",
            markup=False,
        )
    for path in written:
        console.print(f"Wrote {path}. Edit it, then run `countenance generate` again.", markup=False)
    if json:
        print_json(shots_document(found))
    else:
        _print_shots(found)


def _person(likeness: str) -> str:
    """The name in the project, also of a cast actor."""
    from countenance.casting import name_of, seed_of

    seed = seed_of(likeness)
    return likeness if seed is None else name_of(seed)


def _held(values: list[str]) -> list[tuple[int, Path]]:
    """Frames with their pictures."""
    pairs = []
    for value in values:
        index, _, path = value.partition("=")
        if not re.fullmatch(r"\d{1,9}", index, re.ASCII) or not path:
            raise UsageError(f"expected --hold FRAME=PNG, such as 130=painted.png, got {value!r}")
        pairs.append((int(index), Path(path)))
    return pairs


def _print_shots(found: "PlateShots") -> None:
    from rich.table import Table

    table = Table("shot", "frames", "from", "to", "length", "settings", box=None)
    for shot in found.shots:
        last = shot.frames.stop - 1
        table.add_row(
            str(shot.number),
            f"{shot.frames.start}:{last}",
            f"{shot.begins_s:.2f} s",
            f"{shot.ends_s:.2f} s",
            f"{shot.ends_s - shot.begins_s:.2f} s",
            ", ".join(
                (
                    *(f"{name} {value}" for name, value in shot.changed.items()),
                    *(f"{' onto '.join(frame.pair)} held at {frame.index}" for frame in shot.held),
                )
            ),
        )
    print_table(table)
