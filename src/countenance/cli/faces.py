"""`countenance faces`: look at the faces that were found, answer, and mend them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from countenance.cli.shell import console, count, here, print_json
from countenance.errors import one_line

if TYPE_CHECKING:
    from countenance.faces.answers import Word
    from countenance.faces.faceset import Prepared
    from countenance.faces.store import StoredFace
    from countenance.footage import Clip
    from countenance.review.query import FaceQuery, WaitingTrack
    from countenance.steps.review import Found, Sheets

app = typer.Typer(
    help="Look at the faces that `prepare` found, say which to keep and who somebody is, and mend masks and landmarks.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

MAX_ANSWERS_BYTES = 10_000_000
WIDE = 200
"""Characters of a table that goes into a file or pipe: nothing of it is cut off."""

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
    typer.Option("--sort", help="In what order, from the smallest number; for blur from the most blurred."),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="The other way round.")]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="STATE",
        help="kept, left-out or unsure, or one reason, such as blurred; a wrong one lists all.",
        show_default=False,
    ),
]
InClip = Annotated[
    str | None, typer.Option("--clip", metavar="NAME", help="Only those of this file.", show_default=False)
]
Ranges = Annotated[
    list[str] | None,
    typer.Option(
        "--range",
        metavar="MEASURE=LOW..HIGH",
        help="Such as yaw=-20..20 or size=128.., by what --sort knows; may repeat.",
        show_default=False,
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="The first so many.", show_default=False)]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="PNG to write; more pages get numbers.", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the files if they are there.")]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Faces, by name or how it begins.", show_default=False),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="FILE", help="File with one of them a line; - reads standard input."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@app.command("list", short_help="List faces with what is known of them.")
def list_faces(
    person: Person,
    sort: Sort = "frame",
    reverse: Reverse = False,
    where: Where = None,
    clip: InClip = None,
    range_: Ranges = None,
    limit: Limit = None,
    names: Annotated[bool, typer.Option("--names", help="Print nothing but names, for another command.")] = False,
    json: Json = False,
) -> None:
    """List faces: name, clip, about when, what they are sorted by, and whether they are kept or why not.

    Example: countenance faces list dana --sort yaw --where kept --range size=128.. --limit 20

    Example: countenance faces list dana --where moving --names | countenance faces drop dana --from -
    """
    from countenance.consent.permit import grant_prepare
    from countenance.review.query import choose
    from countenance.steps.review import found_faces

    query = _query(sort, reverse, where, clip, range_, limit)
    with here(writing=False) as project:
        found = found_faces(project, person, grant_prepare(project, person))
    faces = choose(found.faces, found.clips, query)
    if json:
        print_json({"person": person, "faces": [_document(face, found.clips[face.clip_sha256]) for face in faces]})
    elif names:
        for face in faces:
            print(face.name)
    else:
        _print_faces(faces, found, query)


@app.command(short_help="Draw faces on a contact sheet.")
def show(
    person: Person,
    output: Output,
    sort: Sort = "frame",
    reverse: Reverse = False,
    where: Where = None,
    clip: InClip = None,
    range_: Ranges = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Draw faces on a contact sheet, each with its name, what it is sorted by, its state, and its mask as a thin line.

    Example: countenance faces show dana --sort blur --limit 35 --output blurred.png
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import grant_prepare
    from countenance.steps.review import show_faces

    query = _query(sort, reverse, where, clip, range_, limit)
    with here(writing=False) as project, Bars() as progress:
        permit = grant_prepare(project, person)
        sheets = show_faces(project, person, permit, query, output, overwrite=overwrite, progress=progress)
    without = (
        f" {count(sheets.num_without, 'near duplicate')} without a picture left out." if sheets.num_without else ""
    )
    _tell_sheets(sheets, count(sheets.num_shown, "face"), without, json)


@app.command(short_help="Keep faces in spite of the reasons against them.")
def keep(person: Person, names: Names = None, from_: From = None, json: Json = False) -> None:
    """Keep faces whatever speaks against them; it holds until you say otherwise.

    Example: countenance faces keep dana 3f9a2c1b7d04-000120-412-233
    """
    _answer(person, "keep", names, from_, json)


@app.command(short_help="Leave faces out.")
def drop(person: Person, names: Names = None, from_: From = None, json: Json = False) -> None:
    """Leave faces out; it holds until you say otherwise.

    Example: countenance faces drop dana --from names.txt
    """
    _answer(person, "drop", names, from_, json)


@app.command(short_help="Say of unsure tracks whether they are the person.")
def review(
    person: Person,
    yes: Annotated[
        list[str] | None, typer.Option("--yes", metavar="TRACK", help="It is them; may repeat.", show_default=False)
    ] = None,
    no: Annotated[
        list[str] | None,
        typer.Option("--no", metavar="TRACK", help="It is somebody else; may repeat.", show_default=False),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="File with lines such as `t418 yes`; - reads standard input."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="PNG to write with the tracks that wait; more pages get numbers.", show_default=False
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Say of tracks that may be the person, or not, whether they are; without an answer, list those that wait.

    A track is a face followed through a shot. After a no, all its faces are deleted at once.

    Example: countenance faces review dana --output review.png

    Example: countenance faces review dana --yes t418 --no t702
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import grant_prepare
    from countenance.review.query import track_named, waiting_tracks
    from countenance.steps.review import found_faces, say, show_waiting

    answers = _track_answers(yes or [], no or [], from_)
    result: dict[str, Any] = {"person": person}
    with here(writing=bool(answers)) as project, Bars() as progress:
        permit = grant_prepare(project, person)
        tracks = waiting_tracks(found_faces(project, person, permit).faces)
        if answers:
            faces: dict[Word, list[StoredFace]] = {"yes": [], "no": []}
            for track, word in _decided([(track_named(tracks, name), word) for name, word in answers]):
                faces[word].append(track.faces[0])
            prepared = say(project, person, permit, faces, progress=progress)
            told = [
                f"{count(len(about), 'track')} {'is' if len(about) == 1 else 'are'} {whose}"
                for about, whose in ((faces["yes"], person), (faces["no"], "somebody else"))
                if about
            ]
            _tell_face_set(", ".join(told), prepared)
            result |= {"yes": len(faces["yes"]), "no": len(faces["no"]), **_face_set_document(prepared)}
        found = found_faces(project, person, permit)
        tracks = waiting_tracks(found.faces)
        if output is not None and tracks:
            sheets = show_waiting(project, person, permit, output, overwrite=overwrite, progress=progress)
            result |= {"sheets": sheets.paths}
    result |= {"waiting": [_track_document(track, found.clips[track.faces[0].clip_sha256]) for track in tracks]}
    if not answers and output is None and not json:
        _print_tracks(tracks, found)
    _tell_waiting(person, tracks, result)
    if json:
        print_json(result)


@app.command(short_help="Write faces into a folder, as pictures with a JSON file.")
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
    """Write faces into a folder, to look through them, paint masks or nudge landmarks; `faces import` brings it back.

    The folder is private, and it shows a face: the log tells that it was made.

    Example: countenance faces export dana dana-faces --where kept
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import grant_prepare
    from countenance.steps.review import export_faces

    query = _query(sort, reverse, where, clip, range_, limit)
    with here(writing=True) as project, Bars() as progress:
        number = export_faces(project, person, grant_prepare(project, person), query, folder, progress=progress)
    console.print(
        f"{count(number, 'face')} in {folder}, readable only by you. "
        f"Next: change it, then `countenance faces import {person} {folder}`.",
        markup=False,
    )
    if json:
        print_json({"person": person, "folder": folder, "faces": number})


@app.command("import", short_help="Take over what was changed in an exported folder.")
def import_folder(
    person: Person,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made by export.", show_default=False)],
    drop_deleted: Annotated[
        bool, typer.Option("--drop-deleted", help="Leave out the faces whose picture was deleted.")
    ] = False,
    json: Json = False,
) -> None:
    """Take over what was changed in an exported folder: "keep" or "drop" as a face's state, painted masks, landmarks.

    All of it is checked before anything is changed. Pictures don't come back: faces come from clips only.

    Example: countenance faces import dana dana-faces --drop-deleted
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import grant_prepare
    from countenance.steps.review import import_faces

    with here(writing=True) as project, Bars() as progress:
        permit = grant_prepare(project, person)
        done = import_faces(project, person, permit, folder, drop_deleted=drop_deleted, progress=progress)
    numbers = ((done.num_kept, "kept"), (done.num_dropped, "dropped"), (done.num_nudged, "cut anew"))
    told = [f"{count(number, 'face')} {what}" for number, what in numbers if number]
    told += [f"{count(done.num_masks, 'mask')} by hand"] if done.num_masks else []
    if done.prepared is None:
        console.print("Nothing was changed there.")
    else:
        _tell_face_set(", ".join(told), done.prepared)
    if done.num_deleted and not drop_deleted:
        console.print(f"Pictures deleted: {done.num_deleted:,}. Add --drop-deleted to leave these faces out.")
    if json:
        print_json(
            {
                "person": person,
                "kept": done.num_kept,
                "dropped": done.num_dropped,
                "cut_anew": done.num_nudged,
                "masks": done.num_masks,
                "pictures_deleted": done.num_deleted,
                **(_face_set_document(done.prepared) if done.prepared else {}),
            }
        )


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


def _answer(person: str, word: Literal["keep", "drop"], names: list[str] | None, from_: str | None, json: bool) -> None:
    from countenance.cli.display import Bars
    from countenance.consent.permit import grant_prepare
    from countenance.errors import UsageError
    from countenance.review.query import faces_named
    from countenance.steps.review import found_faces, say

    wanted = [*(names or []), *(_lines(from_) if from_ else [])]
    if not wanted:
        raise UsageError(f"expected names of faces to {word}; `countenance faces list {person}` shows them")
    with here(writing=True) as project, Bars() as progress:
        permit = grant_prepare(project, person)
        faces = faces_named(found_faces(project, person, permit).faces, wanted)
        prepared = say(project, person, permit, {word: faces}, progress=progress)
    done = {"keep": "kept", "drop": "dropped"}[word]
    _tell_face_set(f"{count(len(faces), 'face')} {done}", prepared)
    if json:
        print_json({"person": person, done: len(faces), **_face_set_document(prepared)})


def _track_answers(yes: list[str], no: list[str], from_: str | None) -> "list[tuple[str, Word]]":
    """What is said, by the names of tracks."""
    from countenance.errors import UsageError

    answers: list[tuple[str, Word]] = [*((name, "yes") for name in yes), *((name, "no") for name in no)]
    for line in _lines(from_) if from_ else []:
        name, _, said = line.partition(" ")
        word: Word = "yes" if said.strip() == "yes" else "no"
        if said.strip() != word:
            raise UsageError(f"expected lines such as `t418 yes` or `t418 no`, got {line[:60]!r}")
        answers.append((name, word))
    return answers


def _decided(answers: "list[tuple[WaitingTrack, Word]]") -> "list[tuple[WaitingTrack, Word]]":
    """One word for each track, also where it was named twice."""
    from countenance.errors import UsageError

    decided: dict[str, tuple[WaitingTrack, Word]] = {}
    for track, word in answers:
        if decided.setdefault(track.name, (track, word))[1] != word:
            raise UsageError(f"both yes and no are said of {track.name}; decide on one")
    return list(decided.values())


def _lines(name: str) -> list[str]:
    """What is written in a file, line by line; `-` is standard input. Empty lines and those with a `#` don't count."""
    from countenance.errors import UsageError

    try:
        if name == "-":
            content = sys.stdin.buffer.read(MAX_ANSWERS_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_ANSWERS_BYTES + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"{name} can't be read: {why}; give a file with one answer a line") from None
    if len(content) > MAX_ANSWERS_BYTES:
        raise UsageError(f"expected at most {MAX_ANSWERS_BYTES:,} bytes in {name}; cut it into several")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _document(face: "StoredFace", clip: "Clip") -> dict[str, Any]:
    from dataclasses import asdict

    from countenance.review.query import state_of

    return {
        "name": face.name,
        "clip": clip.name,
        "clip_sha256": face.clip_sha256,
        "frame": face.frame,
        "about_s": round(clip.about_s(face.frame), 2),
        "state": state_of(face),
        "reasons": face.rejections,
        "distance": face.distance,
        "margin": face.margin,
        "score": face.score,
        "mask_origin": face.mask_origin,
        "quality": asdict(face.quality),
    }


def _track_document(track: "WaitingTrack", clip: "Clip") -> dict[str, Any]:
    return {
        "track": track.name,
        "clip": clip.name,
        "from_s": round(clip.about_s(track.faces[0].frame), 2),
        "to_s": round(clip.about_s(track.faces[-1].frame), 2),
        "faces": len(track.faces),
        "distance": track.distance,
        "margin": track.margin,
    }


def _face_set_document(prepared: "Prepared") -> dict[str, Any]:
    return {"faces_kept": prepared.face_set.num_faces, "face_set": prepared.face_set.digest}


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
    _print_table(table)
    console.print(f"{len(faces):,} of {count(len(found.faces), 'face')}.")


def _print_tracks(tracks: "list[WaitingTrack]", found: "Found") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("track", "clip", "about", "faces", "distance", "margin", box=None)
    for track in tracks:
        clip = found.clips[track.faces[0].clip_sha256]
        begin, end = (clip.about_s(face.frame) for face in (track.faces[0], track.faces[-1]))
        cells = (track.name, one_line(clip.name), f"{begin:.1f} to {end:.1f} s", f"{len(track.faces):,}")
        table.add_row(*map(Text, cells), f"{track.distance:.3f}", f"{track.margin:.3f}")
    if tracks:
        _print_table(table)


def _print_table(table: Any) -> None:
    from rich.console import Console

    wide = Console(highlight=False)
    if not wide.is_terminal:
        wide = Console(highlight=False, width=WIDE)
    wide.print(table)


def _tell_sheets(sheets: "Sheets", what: str, more: str, json: bool) -> None:
    first, last = sheets.paths[0], sheets.paths[-1]
    where = f"{first}" if len(sheets.paths) == 1 else f"{first} to {last.name}"
    console.print(f"{what} on {where}, readable only by you.{more}", markup=False)
    if json:
        print_json({"sheets": sheets.paths, "shown": sheets.num_shown, "without_picture": sheets.num_without})


def _tell_face_set(told: str, prepared: "Prepared") -> None:
    face_set = prepared.face_set
    console.print(f"{told}; face set of {face_set.person}: {count(face_set.num_faces, 'face')}.", markup=False)


def _tell_waiting(person: str, tracks: "list[WaitingTrack]", result: dict[str, Any]) -> None:
    if not tracks:
        console.print(f"No track of {person} waits for an answer.", markup=False)
        return
    paths = result.get("sheets", ())
    looks = f"look at {' and '.join(str(path) for path in paths)}, then " if paths else ""
    console.print(
        f"{count(len(tracks), 'track')} may be {person} or not: {looks}answer with "
        f"`countenance faces review {person} --yes {tracks[0].name}`, or --no.",
        markup=False,
    )
