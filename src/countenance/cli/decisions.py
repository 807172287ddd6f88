"""`countenance faces keep`, `drop` and `review`: what the user decides about faces and tracks."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from countenance.cli.options import Json
from countenance.cli.shell import console, count, here, print_json
from countenance.cli.tables import print_table
from countenance.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from countenance.faces.answers import Word
    from countenance.faces.faceset import Prepared
    from countenance.faces.store import StoredFace
    from countenance.footage import Clip
    from countenance.review.query import WaitingTrack
    from countenance.steps.documents import Decided
    from countenance.steps.review import Sheets

MAX_DECISIONS_BYTES = 10_000_000

Person = Annotated[str, typer.Argument(metavar="PERSON", help="Whose faces.", show_default=False)]
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[NAME]...", help="Faces, by name or its beginning.", show_default=False),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="FILE", help="File with one name on each line; - reads standard input.", show_default=False
    ),
]


def keep(person: Person, names: Names = None, from_: From = None, json: Json = False) -> None:
    """Keep faces that were rejected automatically; this holds until you decide otherwise.

    Example: countenance faces keep dana 3f9a2c1b7d04-000120-412-233
    """
    _decide(person, "keep", names, from_, json)


def drop(person: Person, names: Names = None, from_: From = None, json: Json = False) -> None:
    """Reject faces; this holds until you decide otherwise.

    Example: countenance faces drop dana --from names.txt
    """
    _decide(person, "drop", names, from_, json)


def reset(person: Person, names: Names = None, from_: From = None, json: Json = False) -> None:
    """Withdraw your decisions to keep or reject faces: they are judged automatically again.

    Example: countenance faces reset dana 3f9a2c1b7d04-000120-412-233
    """
    _decide(person, "reset", names, from_, json)


def review(
    person: Person,
    yes: Annotated[
        list[str] | None,
        typer.Option("--yes", metavar="TRACK", help="Confirm this track as PERSON. Repeatable.", show_default=False),
    ] = None,
    no: Annotated[
        list[str] | None,
        typer.Option("--no", metavar="TRACK", help="Reject this track. Repeatable.", show_default=False),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="File with lines such as `t418 yes`; - reads standard input.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="PNG to write with the undecided tracks; several pages are numbered.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the files if they exist.")] = False,
    plate: Annotated[
        Path | None,
        typer.Option("--plate", metavar="FILE", help="Decide on the tracks of this plate instead.", show_default=False),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="With --plate: withdraw earlier decisions on it and scan it again.")
    ] = False,
    json: Json = False,
) -> None:
    """Confirm or reject tracks whose identity is uncertain. Without a decision, list the undecided ones, or all of a
    plate.

    A track is a face followed through a shot. When a track is rejected, all its faces are deleted at once. A track that
    the release rules out can't be confirmed. Every decision is logged.

    Example: countenance faces review dana --output review.png

    Example: countenance faces review dana --yes t418 --no t702

    Example: countenance faces review dana --plate plate.mp4 --yes t418
    """
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide_prepare, grant_prepare
    from countenance.review.query import one_decision_each, track_named, waiting_tracks
    from countenance.steps.documents import reviewed_document
    from countenance.steps.review import found_faces, say, show_waiting

    named = _track_decisions(yes or [], no or [], from_)
    if plate is not None:
        _review_plate(person, plate, named, forget=forget, output=output, json=json)
        return
    prepared, sheets = None, None
    faces: dict[Word, list[StoredFace]] = {"yes": [], "no": []}
    with here(writing=bool(named)) as project, Bars() as progress:
        permit = decide_prepare(project, person) if named else grant_prepare(project, person)
        tracks = waiting_tracks(found_faces(project, person, permit).faces)
        if named:
            for track, word in one_decision_each([(track_named(tracks, name), word) for name, word in named]):
                faces[word].append(track.faces[0])
            prepared = say(project, person, permit, faces, progress=progress)
            decided = [
                f"{count(len(about), 'track')} {'is' if len(about) == 1 else 'are'} {whose}"
                for about, whose in ((faces["yes"], person), (faces["no"], "somebody else"))
                if about
            ]
            _print_face_set(", ".join(decided), prepared)
        found = found_faces(project, person, permit)
        tracks = waiting_tracks(found.faces)
        if output is not None and tracks:
            sheets = show_waiting(project, person, permit, output, overwrite=overwrite, progress=progress)
    if not named and output is None and not json:
        _print_tracks(tracks, found.clips)
    _print_waiting(person, tracks, sheets)
    if json:
        numbers: dict[Decided, int] = {word: len(about) for word, about in faces.items()}
        print_json(reviewed_document(person, tracks, found.clips, decided=numbers, prepared=prepared, sheets=sheets))


def _review_plate(
    person: str, plate: Path, named: "list[tuple[str, Word]]", *, forget: bool, output: Path | None, json: bool
) -> None:
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide_prepare
    from countenance.errors import UsageError
    from countenance.steps.documents import plate_document
    from countenance.steps.review_plate import review_plate

    if output is not None:
        raise UsageError("no images of a plate are stored, so no sheet can be drawn; leave out --output")
    with here(writing=True) as project, Bars() as progress:
        permit = decide_prepare(project, person)
        done = review_plate(project, person, permit, plate, named, forget=forget, progress=progress)
    if json:
        print_json(plate_document(person, done.tracks, done.clip))
        return
    _print_tracks(done.tracks, {done.clip.sha256: done.clip}, with_state=True)
    num_unsure = sum(track.state == "unsure" for track in done.tracks)
    name = one_line(plate.name)
    summary = f"{count(len(done.tracks), 'track')} in {name}, {num_unsure} of them unsure."
    console.print(summary if done.tracks else f"No track in {name} can be {person}.", markup=False)


def _decide(
    person: str, word: Literal["keep", "drop", "reset"], names: list[str] | None, from_: str | None, json: bool
) -> None:
    from countenance.cli.display import Bars
    from countenance.consent.permit import decide_prepare
    from countenance.errors import UsageError
    from countenance.review.query import faces_named
    from countenance.steps.documents import decided_document
    from countenance.steps.review import found_faces, say

    wanted = [*(names or []), *(_lines(from_) if from_ else [])]
    if not wanted:
        raise UsageError(f"expected names of faces to {word}; `countenance faces list {person}` shows them")
    with here(writing=True) as project, Bars() as progress:
        permit = decide_prepare(project, person)
        faces = faces_named(found_faces(project, person, permit).faces, wanted)
        words: dict[Word, list[StoredFace]] = {} if word == "reset" else {word: faces}
        withdrawn = faces if word == "reset" else []
        prepared = say(project, person, permit, words, withdrawn=withdrawn, progress=progress)
    done = {"keep": "kept", "drop": "dropped", "reset": "judged again"}
    _print_face_set(f"{count(len(faces), 'face')} {done[word]}", prepared)
    if json:
        print_json(decided_document(person, {word: len(faces)}, prepared))


def _track_decisions(yes: list[str], no: list[str], from_: str | None) -> "list[tuple[str, Word]]":
    """What is decided, by the names of tracks."""
    from countenance.errors import UsageError

    decisions: list[tuple[str, Word]] = [*((name, "yes") for name in yes), *((name, "no") for name in no)]
    for line in _lines(from_) if from_ else []:
        name, _, text = line.partition(" ")
        word: Word = "yes" if text.strip() == "yes" else "no"
        if text.strip() != word:
            raise UsageError(f"expected lines such as `t418 yes` or `t418 no`, got {line[:60]!r}")
        decisions.append((name, word))
    return decisions


def _lines(name: str) -> list[str]:
    """The lines of a file; `-` is standard input. Empty lines and those that begin with `#` don't count."""
    from countenance.errors import UsageError

    try:
        if name == "-":
            content = sys.stdin.buffer.read(MAX_DECISIONS_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_DECISIONS_BYTES + 1)
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"{name} can't be read: {why}; give a file with one decision on each line") from None
    if len(content) > MAX_DECISIONS_BYTES:
        raise UsageError(f"expected at most {MAX_DECISIONS_BYTES:,} bytes in {name}; split it into several files")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _print_tracks(tracks: "Sequence[WaitingTrack]", clips: "Mapping[str, Clip]", *, with_state: bool = False) -> None:
    from rich.table import Table
    from rich.text import Text

    state = ("state",) if with_state else ()
    table = Table("track", "clip", "about", "faces", "distance", "margin", *state, box=None)
    for track in tracks:
        clip = clips[track.faces[0].clip_sha256]
        begin, end = (clip.about_s(face.frame) for face in (track.faces[0], track.faces[-1]))
        cells = [track.name, one_line(clip.name), f"{begin:.1f} to {end:.1f} s", f"{len(track.faces):,}"]
        cells += [f"{track.distance:.3f}", f"{track.margin:.3f}", *([track.state] if with_state else [])]
        table.add_row(*map(Text, cells))
    if tracks:
        print_table(table)


def _print_face_set(done: str, prepared: "Prepared") -> None:
    face_set = prepared.face_set
    console.print(f"{done}; face set of {face_set.person}: {count(face_set.num_faces, 'face')}.", markup=False)


def _print_waiting(person: str, tracks: "list[WaitingTrack]", sheets: "Sheets | None") -> None:
    if not tracks:
        console.print(f"No track of {person} is undecided.", markup=False)
        return
    see = f"see {' and '.join(str(path) for path in sheets.paths)}, then " if sheets else ""
    console.print(
        f"{count(len(tracks), 'track')} may or may not be {person}: {see}confirm with "
        f"`countenance faces review {person} --yes {tracks[0].name}`, or reject with --no.",
        markup=False,
    )
