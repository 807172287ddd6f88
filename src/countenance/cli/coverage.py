"""`countenance coverage`: what a face set covers and lacks."""

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.options import Json, Set
from countenance.cli.shell import console, here, print_json


def coverage(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose face set to analyse.", show_default=False)],
    plate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Video or image to compare with.", readable=False, show_default=False),
    ] = None,
    performer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose face is in the plate.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the report.  [default: coverage-PERSON]", readable=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report there.")] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Report what a face set covers and lacks, and what to shoot, as a page with images and as JSON.

    With a plate, report how much of its performance is covered, before an hour is spent on training. The page shows
    faces, so only you can read it.

    Example: countenance coverage dana --plate plate.mp4 --performer kim
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import decide_prepare
    from countenance.coverage.aspects import CoverageConfig
    from countenance.errors import UsageError
    from countenance.steps.cover import Plate, check_folder, cover, write_report
    from countenance.steps.documents import coverage_document

    if (plate is None) != (performer is None):
        given, missing = ("--plate", "--performer") if performer is None else ("--performer", "--plate")
        raise UsageError(f"{given} needs {missing}: a plate is compared by the face of one performer in it")
    folder = output or Path(f"coverage-{person}")
    check_folder(folder, overwrite=overwrite)
    with here(writing=True) as project, Bars() as progress:
        config = read_config(CoverageConfig, "coverage", project.settings, set_ or [])
        permit = decide_prepare(project, person)
        wanted = None
        if plate is not None and performer is not None:
            wanted = Plate(path=plate, performer=performer, permit=decide_prepare(project, performer))
        result = cover(project, person, permit, plate=wanted, config=config, progress=progress)
        page = write_report(project, permit, result, folder, overwrite=overwrite)
    console.print(result.verdict, markup=False)
    for advice in result.advice:
        console.print(f"- {advice.lacks} {advice.shoot}", markup=False)
    console.print(f"See {page}. It shows a face: keep it private.", markup=False)
    if json:
        print_json(coverage_document(result))
