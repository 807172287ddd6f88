"""`countenance recognise`: whether a performer could still be recognised."""

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import console, here, print_json


def recognise(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A file that was published.", readable=False, show_default=False)
    ],
    person: Annotated[
        str, typer.Option(metavar="NAME", help="The performer whose face was replaced.", show_default=False)
    ],
    plate: Annotated[
        Path, typer.Option(metavar="PLATE", help="What the file was made from.", readable=False, show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="PAGE", help="Page to write.  [default: recognition-NAME.html]", readable=False),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Measure, frame by frame, whether a performer could still be recognised after their face was replaced.

    The answer is that of the recogniser by which Countenance finds people, before and after; the nearest frames are
    shown first. It is no promise of anonymity: the page says what it can't tell. It shows faces, so only you can read
    it.

    Example: countenance recognise shot.mp4 --person kim --plate plate.mp4
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide_prepare
    from countenance.steps.documents import recognition_document
    from countenance.steps.pages import check_page
    from countenance.steps.recognise import recognise_performer

    page = output or Path(f"recognition-{person}.html")
    check_page(page, overwrite=overwrite)
    with here(writing=True) as project, Bars() as progress:
        permit = decide_prepare(project, person)
        result = recognise_performer(project, file, plate, person, permit, page, progress=progress)
    console.print(result.verdict, markup=False)
    if result.num_unreplaced:
        console.print(f"In {result.num_unreplaced:,} faces of {person} nothing was replaced.", markup=False)
    console.print(f"See {page}. It shows faces: keep it private. It is no promise of anonymity.", markup=False)
    if json:
        print_json(recognition_document(result))
