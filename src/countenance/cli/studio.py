"""`countenance studio`: the whole job by mouse, in the browser of this computer."""

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.shell import console
from countenance.errors import UsageError


def studio(
    project: Annotated[
        Path, typer.Argument(metavar="[PROJECT]", help="The project's folder, or a new one.", show_default=False)
    ] = Path(),
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="A folder whose files may be chosen, besides the project's. Repeatable.", readable=False
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 takes a free one.")] = 0,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
) -> None:
    """Do the whole job by mouse: a page that this computer serves to itself, and to nobody else.

    The page opens in the browser; its address, which is printed, holds a secret, so don't hand it on. Files are chosen
    from the project's folder and from those given with --folder, or dropped onto the page. What takes long goes on when
    the page is closed, and when this command ends: `countenance jobs` lists it.

    Example: countenance studio film --folder ~/footage
    """
    try:
        from countenance.studio.server import free_port, serve
        from countenance.studio.session import Studio, chosen_folders
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the studio needs the package {error.name}; install it with `pip install 'countenance[studio]'`"
        ) from None
    from countenance.jobs import start_worker
    from countenance.project import find, opened

    found = find(project)
    if found is not None:
        # Pages only read, and a project of an earlier version is brought up to date by what writes.
        with opened(found):
            pass
        # What a power cut interrupted goes on.
        start_worker(found)
    home = (found or project).resolve()
    running = Studio(project=home, folders=chosen_folders(home, folder or []), port=free_port(port))

    def say() -> None:
        console.print(f"The studio is at {running.address}\nPress Ctrl-C here to stop it; jobs go on.", markup=False)
        if open_:
            typer.launch(running.opening)

    serve(running, when_ready=say)
