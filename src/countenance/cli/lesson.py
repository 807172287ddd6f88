"""`countenance lesson`: an exhibition of altered and untouched clips that a class can work through."""

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.failures import STOPPED
from countenance.cli.options import Json
from countenance.cli.shell import console, print_json, stops_on_interrupt


def lesson(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the lesson.", readable=False)] = Path(
        "lesson"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Decides the order of the exhibits.")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier lesson left there.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Draw at half the size.")] = False,
    json: Json = False,
) -> None:
    """Make an exhibition of seven clips of synthetic actors, some altered, for a class to judge.

    Open index.html: the clips, questions, what the verifier finds in each, and at the end answers and notes for
    teachers. The altered clip is published like any other, with its label, watermark and credentials; one copy of it
    has lost the credentials, another was encoded again. It takes a minute or two and no network.

    Example: countenance lesson --output lesson
    """
    from countenance.cli.display import Bars
    from countenance.demo.run import DRAWING, QUICK_DRAWING
    from countenance.lesson.run import lesson_document, make_lesson

    try:
        with stops_on_interrupt() as should_stop, Bars() as progress:
            made = make_lesson(
                output,
                seed=seed,
                overwrite=overwrite,
                progress=progress,
                should_stop=should_stop,
                drawing=QUICK_DRAWING if quick else DRAWING,
            )
    except KeyboardInterrupt:
        console.print("stopped; add --overwrite to start over")
        raise typer.Exit(STOPPED) from None
    if json:
        print_json(lesson_document(made))
