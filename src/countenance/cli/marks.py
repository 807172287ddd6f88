"""`countenance marks`: share the store that leads from a watermark to a published file's credentials."""

from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.options import Json, Overwrite
from countenance.cli.shell import console, count, print_json

app = typer.Typer(
    help="Share what leads from a watermark to the credentials of a published file.\n\n"
    "Files that are published on this computer are known from the start. No names and no pictures are in it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(short_help="Write all that is known into a file that others can add.")
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.", show_default=False)],
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Write the credentials and fingerprints of all known files into one that others can add (docs/marks.md).

    Example: countenance marks export studio.marks.jsonl
    """
    from countenance.provenance.store import export_entries

    number = export_entries(output, overwrite=overwrite)
    console.print(f"Wrote {output}, with the credentials of {count(number, 'published file')}.", markup=False)
    if json:
        print_json({"path": output, "files": number})


@app.command(short_help="Add what somebody else exported.")
def add(
    path: Annotated[Path, typer.Argument(metavar="FILE", readable=False, help="An export.", show_default=False)],
    json: Json = False,
) -> None:
    """Add the credentials of files that somebody else published; each is checked, and all or none are added.

    Example: countenance marks add studio.marks.jsonl
    """
    from countenance.provenance.keys import find_trust
    from countenance.provenance.store import add_entries

    number, num_new = add_entries(path, find_trust())
    console.print(
        f"{path} has the credentials of {count(number, 'published file')}, {num_new} of them new here.", markup=False
    )
    if json:
        print_json({"path": path, "files": number, "new": num_new})
