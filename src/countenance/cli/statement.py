"""`countenance release challenge` and `release statement`: ask the owner of a face for a video, and check it."""

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import console, here, print_json

ReleaseFile = Annotated[
    Path, typer.Argument(metavar="RELEASE", help="The release's file.", readable=False, show_default=False)
]


def challenge(
    path: ReleaseFile,
    output: Annotated[
        Path | None, typer.Option(help="Page to write; without it PERSON.challenge.html.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Ask the owner of a release for a statement: writes a page for them to print or show, which is good for a day.

    Example: countenance release challenge dana.release.toml
    """
    from countenance.consent.document import read_release
    from countenance.steps.documents import asked_document
    from countenance.steps.statement import ask_for_statement

    page = output or path.parent / f"{read_release(path).subject.person}.challenge.html"
    with here(writing=True) as project:
        asked = ask_for_statement(project, path, page, overwrite=overwrite)
    console.print(
        f"Wrote {page}, good until {asked.until:%d %B, %H:%M} UTC. Next: {asked.person} films themselves as it says, "
        f"and you run `countenance release statement {path} VIDEO`.",
        markup=False,
    )
    if json:
        print_json(asked_document(asked))


def statement(
    path: ReleaseFile,
    video: Annotated[
        Path, typer.Argument(metavar="VIDEO", help="What they filmed.", readable=False, show_default=False)
    ],
    erase_video: Annotated[
        bool, typer.Option("--erase-video", help="Erase the video once it was looked at, whatever came of it.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a statement: the owner of a release, its code beside their face, and the turns of the head that were asked.

    The project keeps no copy of the video, and the log tells what came of it.

    Example: countenance release statement dana.release.toml dana-statement.mp4
    """
    from countenance.cli.display import Bars
    from countenance.errors import CountenanceError
    from countenance.project import erase
    from countenance.steps.documents import stated_document
    from countenance.steps.statement import take_statement

    with here(writing=True) as project, Bars() as progress:
        try:
            stated = take_statement(project, path, video, progress=progress)
        except CountenanceError:
            if erase_video:
                erase(video)
            raise
    if erase_video:
        erase(video)
    console.print(
        f"Accepted the statement of {stated.person}: the face is {stated.distance:.2f} from the release's pictures. "
        f"Next: `countenance prepare {stated.person}`.",
        markup=False,
    )
    if json:
        print_json(stated_document(stated))
