"""`countenance faces`: browse the faces that were found, and take them out and back in for corrections."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from countenance.cli.decisions import drop, keep, reset, review
from countenance.cli.options import Json
from countenance.cli.shell import console, count, here, print_json
from countenance.cli.tables import print_table
from countenance.errors import one_line

if TYPE_CHECKING:
    from countenance.faces.store import StoredFace
    from countenance.review.query import FaceQuery
    from countenance.steps.review import Found

app = typer.Typer(
    help="Browse the faces that `prepare` found, choose which to keep, confirm whose they are, and correct masks and "
    "landmarks.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Person = Annotated[str, typer.Argument(metavar="PERSON", help="Whose faces.", show_default=False)]
Sort = Annotated[
    Literal[
        "frame",
        "yaw",
        "pitch",
        "roll",
        "blur",
        "motion",
        "size",
        "brightness",
        "distance",
        "score",
        "occlusion",
        "mouth",
        "eyes",
    ],
    typer.Option("--sort", help="Sort by this, smallest first; blur lists the most blurred first."),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="Reverse the order.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="STATE",
        help="kept, left-out, unsure, or one reason such as blurred; an unknown one lists all.",
        show_default=False,
    ),
]
InClip = Annotated[
    str | None, typer.Option("--clip", metavar="NAME", help="Only faces of this file.", show_default=False)
]
Ranges = Annotated[
    list[str] | None,
    typer.Option(
        "--range",
        metavar="MEASURE=LOW..HIGH",
        help="Such as yaw=-20..20 or size=128.., by any measure of --sort. Repeatable.",
        show_default=False,
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most this many.", show_default=False)]


@app.command("list", short_help="List faces and their measures.")
def list_faces(
    person: Person,
    sort: Sort = "frame",
    reverse: Reverse = False,
    where: Where = None,
    clip: InClip = None,
    range_: Ranges = None,
    limit: Limit = None,
    names: Annotated[bool, typer.Option("--names", help="Print names only, for another command.")] = False,
    json: Json = False,
) -> None:
    """List faces: name, clip, approximate time, the measure they are sorted by, and whether they are kept or why not.

    Example: countenance faces list dana --sort yaw --where kept --range size=128.. --limit 20

    Example: countenance faces list dana --where moving --names | countenance faces drop dana --from -
    """
    from countenance.consent.permit import grant_prepare
    from countenance.review.query import choose
    from countenance.steps.documents import faces_document
    from countenance.steps.review import found_faces

    query = _query(sort, reverse, where, clip, range_, limit)
    with here(writing=False) as project:
        found = found_faces(project, person, grant_prepare(project, person))
    faces = choose(found.faces, found.clips, query)
    if json:
        print_json(faces_document(person, faces, found.clips))
    elif names:
        for face in faces:
            print(face.name)
    else:
        _print_faces(faces, found, query)


@app.command(short_help="Draw faces on a contact sheet.")
def show(
    person: Person,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="PNG to write; several pages are numbered.", show_default=False),
    ],
    sort: Sort = "frame",
    reverse: Reverse = False,
    where: Where = None,
    clip: InClip = None,
    range_: Ranges = None,
    limit: Limit = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files if they exist.")] = False,
    json: Json = False,
) -> None:
    """Draw faces on a contact sheet, each with its name, sorting measure, state, and the outline of its mask.

    Example: countenance faces show dana --sort blur --limit 35 --output blurred.png
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import grant_prepare
    from countenance.steps.documents import sheets_document
    from countenance.steps.review import show_faces

    query = _query(sort, reverse, where, clip, range_, limit)
    with here(writing=False) as project, Bars() as progress:
        permit = grant_prepare(project, person)
        sheets = show_faces(project, person, permit, query, output, overwrite=overwrite, progress=progress)
    first, last = sheets.paths[0], sheets.paths[-1]
    written = f"{first}" if len(sheets.paths) == 1 else f"{first} to {last.name}"
    without = f" {count(sheets.num_without, 'near duplicate')} without an image left out." if sheets.num_without else ""
    console.print(f"{count(sheets.num_shown, 'face')} on {written}, readable only by you.{without}", markup=False)
    if json:
        print_json(sheets_document(sheets))


app.command(short_help="Keep faces that were rejected automatically.")(keep)
app.command(short_help="Reject faces.")(drop)
app.command(short_help="Withdraw decisions to keep or reject faces.")(reset)
app.command(short_help="Confirm or reject tracks whose identity is uncertain.")(review)


@app.command(short_help="Export faces to a folder, as images with a JSON file.")
def export(
    person: Person,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New or empty folder.", show_default=False)],
    sort: Sort = "frame",
    reverse: Reverse = False,
    where: Where = None,
    clip: InClip = None,
    range_: Ranges = None,
    limit: Limit = None,
    json: Json = False,
) -> None:
    """Export faces to a folder, to browse them, paint masks or move landmarks; `faces import` brings changes back.

    The folder is private, since it shows a face; the log records the export.

    Example: countenance faces export dana dana-faces --where kept
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide_prepare
    from countenance.steps.documents import exported_document
    from countenance.steps.review import export_faces

    query = _query(sort, reverse, where, clip, range_, limit)
    with here(writing=True) as project, Bars() as progress:
        number = export_faces(project, person, decide_prepare(project, person), query, folder, progress=progress)
    console.print(
        f"{count(number, 'face')} in {folder}, readable only by you. "
        f"Next: change it, then `countenance faces import {person} {folder}`.",
        markup=False,
    )
    if json:
        print_json(exported_document(person, folder, number))


@app.command("import", short_help="Import corrections from an exported folder.")
def import_folder(
    person: Person,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made by export.", show_default=False)],
    drop_deleted: Annotated[
        bool, typer.Option("--drop-deleted", help="Reject the faces whose image was deleted.")
    ] = False,
    json: Json = False,
) -> None:
    """Import corrections from an exported folder: "keep" or "drop" as a face's state, painted masks, moved landmarks.

    Everything is checked before anything is changed. Images aren't imported: faces come from clips only.

    Example: countenance faces import dana dana-faces --drop-deleted
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide_prepare
    from countenance.steps.documents import imported_document
    from countenance.steps.review import import_faces

    with here(writing=True) as project, Bars() as progress:
        permit = decide_prepare(project, person)
        done = import_faces(project, person, permit, folder, drop_deleted=drop_deleted, progress=progress)
    if done.prepared is None:
        console.print("Nothing was changed there.")
    else:
        numbers = ((done.num_kept, "kept"), (done.num_dropped, "dropped"), (done.num_nudged, "cut again"))
        changes = [f"{count(number, 'face')} {what}" for number, what in numbers if number]
        changes += [f"{count(done.num_masks, 'mask')} by hand"] if done.num_masks else []
        face_set = done.prepared.face_set
        console.print(f"{', '.join(changes)}; face set of {person}: {count(face_set.num_faces, 'face')}.", markup=False)
    if done.num_deleted and not drop_deleted:
        console.print(f"Images deleted: {done.num_deleted:,}. Add --drop-deleted to reject these faces.")
    if json:
        print_json(imported_document(person, done))


def _query(
    sort: Any, reverse: bool, where: str | None, clip: str | None, ranges: list[str] | None, limit: int | None
) -> "FaceQuery":
    from countenance.review.query import FaceQuery, parse_range, parse_where

    return FaceQuery(
        sort=sort,
        reverse=reverse,
        where=None if where is None else parse_where(where),
        clip=clip,
        ranges=tuple(parse_range(text) for text in ranges or []),
        limit=limit,
    )


def _print_faces(faces: "list[StoredFace]", found: "Found", query: "FaceQuery") -> None:
    from rich.table import Table
    from rich.text import Text

    from countenance.review.query import measured_text, state_of

    colours = {"kept": "green", "unsure": "yellow", "left-out": "red"}
    columns = ["name", "clip", "about", "frame", *([] if query.sort == "frame" else [query.sort]), "state"]
    table = Table(*columns, box=None)
    for face in faces:
        clip, state = found.clips[face.clip_sha256], state_of(face)
        cells = [face.name, one_line(clip.name), f"{clip.about_s(face.frame):.1f} s", str(face.frame)]
        cells += [] if query.sort == "frame" else [measured_text(face, query.sort)]
        table.add_row(*map(Text, cells), Text(", ".join(face.rejections) or state, colours[state]))
    print_table(table)
    console.print(f"{len(faces):,} of {count(len(found.faces), 'face')}.")
