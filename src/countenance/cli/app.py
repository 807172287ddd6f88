"""All verbs, in the order of the work.

Paths are `readable=False` all over: typer would check whether a file can be read, and call it wrong use.
"""

import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from countenance.cli import actors, bench, faces, jobs, log, marks, release, train
from countenance.cli.coverage import coverage
from countenance.cli.failures import STOPPED, Verbs
from countenance.cli.forget import forget
from countenance.cli.lesson import lesson
from countenance.cli.options import Json, Overwrite, Set
from countenance.cli.recognise import recognise
from countenance.cli.settings import settings
from countenance.cli.shell import console, count, here, print_json, show_log, stops_on_interrupt
from countenance.cli.shots import shots
from countenance.cli.studio import studio
from countenance.cli.verify import verify
from countenance.errors import UsageError

if TYPE_CHECKING:
    from countenance.steps.generate import GeneratedPair

ORDER = (
    "new",
    "studio",
    "release",
    "collect",
    "prepare",
    "faces",
    "coverage",
    "train",
    "shots",
    "generate",
    "recognise",
    "verify",
    "jobs",
    "forget",
    "marks",
    "log",
    "settings",
    "demo",
    "lesson",
    "actors",
    "bench",
)
"""In which `--help` lists the commands: that of the work."""


class InOrder(Verbs):
    """The commands, listed in the order of the work."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(ORDER)


app = typer.Typer(
    name="countenance",
    cls=InOrder,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        import countenance

        print(f"countenance {countenance.__version__}")
        raise typer.Exit


@app.callback(
    help="Consented face replacement: collect, prepare, train, generate, verify.\n\n"
    "Exit codes: 0 done, 2 wrong use, 3 consent, 4 media, 5 model, 6 provenance, 7 actors, 70 a bug in Countenance, "
    "130 stopped by Ctrl-C."
)
def root(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is opened, saved and published, on standard error.")
    ] = False,
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    show_log(verbose=verbose)


app.add_typer(release.app, name="release", short_help="Draft, sign, add, list and revoke releases.")
app.add_typer(faces.app, name="faces", short_help="Browse, confirm and correct detected faces.")
app.add_typer(marks.app, name="marks", short_help="Share what leads from a watermark to credentials.")
app.add_typer(log.app, name="log", short_help="Show and check the project's log.")
app.add_typer(actors.app, name="actors", short_help="Render synthetic actors and ground-truth face swaps.")
app.add_typer(bench.app, name="bench", short_help="Run the benchmarks against rendered ground truth.")


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to create.", show_default=False)],
    use: Annotated[str, typer.Option(help="What the films are for: one of the uses that a release names.")] = "film",
    title: Annotated[
        str | None, typer.Option(help="The production's title; without it, that of the first release.")
    ] = None,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the films are shown, such as cinema or web; releases may ask. Repeatable.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Create a project folder.

    Example: countenance new film --use film --title "Winter"
    """
    from countenance.consent.release import check_channel, check_use
    from countenance.project import create

    check_use(use)
    for each in channel or []:
        check_channel(each)
    path = create(folder, use=use, title=title, channels=channel or [])
    console.print(
        f"Created {path}. Next: `cd {folder}`, then `countenance release new --help` shows how to draft a release.",
        markup=False,
    )
    if json:
        print_json({"folder": folder, "settings": path})


@app.command(short_help="Add footage of a person to the project.")
def collect(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose footage it is.", show_default=False)],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Videos, images, or folders of them.", readable=False, show_default=False),
    ],
    json: Json = False,
) -> None:
    """Add footage of a person to the project. Files stay where they are.

    Example: countenance collect dana footage/dana/
    """
    from countenance.cli.display import Bars
    from countenance.consent.release import check_person
    from countenance.steps.collect import collect
    from countenance.steps.documents import collected_document

    check_person(person)
    with here(writing=True) as project, Bars() as progress:
        result = collect(project, person, paths, progress=progress)
    for path, reason in result.left_out:
        console.print(f"left out: {reason or path}", markup=False)
    for note in (note for info in result.clips for note in info.notes):
        console.print(f"note: {note}", markup=False)
    frames = sum(info.num_frames for info in result.clips)
    console.print(
        f"{count(len(result.clips), 'new clip')} of {person}, {count(frames, 'frame')}; "
        f"{len(result.known)} already known. Next: `countenance prepare {person}`."
    )
    if json:
        print_json(collected_document(person, result))


@app.command(short_help="Find and select the faces of a person.")
def prepare(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose faces to find.", show_default=False)],
    set_: Set = None,
    json: Json = False,
) -> None:
    """Find, align, measure and select the faces of a person. Run again to resume; finished work isn't repeated.

    Example: countenance prepare dana --set prepare.min_size_px=96
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import decide_prepare
    from countenance.faces.config import PrepareConfig
    from countenance.steps.documents import prepared_document
    from countenance.steps.prepare import prepare

    with here(writing=True) as project, Bars() as progress:
        config = read_config(PrepareConfig, "prepare", project.settings, set_ or [])
        permit = decide_prepare(project, person)
        result = prepare(project, person, permit, config, progress=progress)
    face_set = result.face_set
    pair = (
        f"--likeness {person} --performer PERFORMER" if permit.likeness else f"--likeness LIKENESS --performer {person}"
    )
    if result.rejections["unsure who"]:
        console.print(
            f"{count(result.rejections['unsure who'], 'face')} may or may not be {person}; confirm or reject them with "
            f"`countenance faces review {person}`.",
            markup=False,
        )
    console.print(
        f"Face set of {person}: {face_set.num_faces:,} of {count(result.num_found, 'face')} in "
        f"{count(result.num_clips, 'clip')}. Next: `countenance generate PLATE {pair} --output shot.mp4`."
    )
    if json:
        print_json(prepared_document(person, result))


app.command(short_help="Do the whole job by mouse, on a page of this computer.")(studio)


app.command(short_help="Report what a face set covers and lacks, and what to shoot.")(coverage)


app.add_typer(train.app, name="train", short_help="Learn a pair from its face sets. Ctrl-C saves; run again to resume.")


app.command(short_help="List a plate's shots, and write the files in which they are set.")(shots)


@app.command(short_help="Replace the face in a plate and publish the result.")
def generate(
    plate: Annotated[
        Path,
        typer.Argument(
            metavar="PLATE", help="Video or image that receives the face.", readable=False, show_default=False
        ),
    ],
    likeness: Annotated[
        list[str], typer.Option(metavar="NAME", help="Whose face will appear. Repeatable.", show_default=False)
    ],
    performer: Annotated[
        list[str],
        typer.Option(metavar="NAME", help="Whose face it replaces, in the same order. Repeatable.", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            help="File to publish: .mp4 or .mov; .png for one frame; .jpg, .png or .webp for an image.",
            readable=False,
            show_default=False,
        ),
    ],
    shot: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only this shot; `countenance shots PLATE` numbers them.", show_default=False),
    ] = None,
    frames: Annotated[
        str | None,
        typer.Option(
            metavar="A:B", help="Only these frames, both included, counted from 0; or A:, :B, A.", show_default=False
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="A quick look: preset draft, at most 540 lines, 4 s if no part is given."),
    ] = False,
    overwrite: Overwrite = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Replace the performer's face in a plate, and publish the result: labelled, signed and logged.

    Run again to resume.

    A part of the plate becomes a file of its own, at exact times and with its sound; what part, its credentials say:

    Example: countenance generate plate.mp4 --likeness dana --performer kim --shot 3 --preview --output shot3.mp4

    Example: countenance generate plate.mp4 --likeness dana --performer kim --frames 120:167 --output part.mp4

    The base draws the likeness from the pictures of their face set: it needs no training, and a few pictures are
    enough to begin with. --set generate.preset=draft halves the time, fine is for close-ups.

    Example: countenance generate plate.mp4 --likeness dana --performer kim --output shot.mp4

    Several performers get their likenesses in one pass, each with their own releases; nobody else is touched:
    --likeness dana --performer kim --likeness lee --performer bo

    A witness gets the face of somebody who exists nowhere with --likeness actor:SEED; `countenance actors sheet` shows
    faces by seed. --set generate.halo=0.7 draws a soft ring round the face, by which documentaries say that it is a
    disguise, and --set 'generate.sentence=The face of this witness was replaced.' puts words into the picture.
    Where no face can be drawn onto the witness, as in profile, their head is covered.
    `countenance recognise` measures whether they could still be recognised.

    The visible label can be left off for a reason, given in a sentence; the file's credentials and the log record it:
    --set generate.label=false --set 'generate.unlabelled_reason=credits name the process'

    The face takes the performer's skin tone, so that it matches the neck; with --set generate.skin=likeness it
    keeps its own.

    Where a release asks for its owner's approval, a small proxy marked NOT APPROVED comes first, with a request beside
    it; once they approved exactly that result, the same command publishes it (docs/approval.md).

    Each shot can be set in a small file of its own (`countenance shots`, docs/shots.md); --set shot.sharpness=0.3 tries
    a setting on all of them. Drawn faces are kept, so that rendering again takes seconds.
    """
    from countenance.casting import cast_actor, is_cast, seed_of
    from countenance.cli.display import Bars
    from countenance.composite.shot import SECTION, ShotConfig
    from countenance.config import read_config
    from countenance.consent.permit import decide, decide_prepare
    from countenance.media.excerpt import Wanted
    from countenance.media.probe import probe
    from countenance.steps.documents import generated_document
    from countenance.steps.forget import forget_without_consent
    from countenance.steps.generate import GenerateConfig, Pair, check_pairs, generate

    asked = _paired(likeness, performer)
    check_pairs(asked)
    seeds = {face: seed_of(face) for face, _ in asked}
    wanted = Wanted(shot=shot, frames=frames)
    shot_changes = [change for change in set_ or [] if change.startswith("shot.")]
    changes = [change for change in set_ or [] if change not in shot_changes]
    if preview:
        changes.insert(0, "generate.preset=draft")
    with here(writing=True) as project, Bars() as progress:
        forget_without_consent(project)
        config = read_config(GenerateConfig, "generate", project.settings, changes)
        read_config(ShotConfig, SECTION, project.settings, shot_changes)
        if any(seed is not None for seed in seeds.values()):
            # Before an actor is rendered, which takes a minute.
            probe(plate)
            for _, body in asked:
                decide_prepare(project, body)
        cast = {face: face if seed is None else cast_actor(project, seed, progress) for face, seed in seeds.items()}
        pairs = [(cast[face], body) for face, body in asked]
        released = [
            Pair(
                likeness=face,
                performer=body,
                permit=decide(project, "generate", likeness=face, performer=body, is_last=False),
                is_disguise=is_cast(project, face),
            )
            for face, body in pairs
        ]
        result = generate(
            project,
            plate,
            released,
            output,
            config,
            wanted=wanted,
            preview=preview,
            shot_changes=shot_changes,
            overwrite=overwrite,
            progress=progress,
        )
    published = result.published
    disguises = {pair.likeness for pair in released if pair.is_disguise}
    for pair in result.pairs:
        for begin, end in pair.unaltered_spans:
            console.print(
                f"Not altered from {begin:.2f} s to {end:.2f} s of the plate: {pair.performer} was not found there, "
                "turned away, in doubt, or left out by the shot's settings."
            )
        for begin, end in pair.faded_spans:
            console.print(
                f"Fades from {begin:.2f} s to {end:.2f} s of the plate, where {pair.performer}'s face is lost or found."
            )
        for begin, end in pair.covered_spans:
            console.print(
                f"Covered from {begin:.2f} s to {end:.2f} s of the plate, where no face can be drawn onto "
                f"{pair.performer}'s head."
            )
        if pair.likeness in disguises and pair.unaltered_spans:
            console.print(
                f"Where nothing is altered, {pair.performer} shows if they are in the picture: look at these parts, "
                "and cut them where they do."
            )
    done = "Wrote the proxy" if published.is_proxy else "Published"
    faces = "; ".join(_drawn(pair, alone=len(pairs) == 1) for pair in result.pairs)
    part = f", frames {result.shown.start} to {result.shown.stop - 1} of the plate" if result.shown else ""
    console.print(
        f"{done} {published.path}{part}: {'a face was' if len(pairs) == 1 else 'faces were'} replaced in "
        f"{published.num_altered_frames:,} of {count(published.num_frames, 'frame')}, {faces}. "
        f"Next: `countenance verify {published.path}`.",
        markup=False,
    )
    if result.awaited:
        console.print(
            f"It is not approved: {' and '.join(result.awaited)} must see it first. Send each of them the proxy and "
            f"their request ({', '.join(map(str, result.requests))}); they run `countenance release approve REQUEST "
            "--key KEY`, or decline. Add what they send back with `countenance release add`, then run this again.",
            markup=False,
        )
    # What is measured is a whole file beside its whole plate.
    for pair in result.pairs if result.shown is None and not preview and not published.is_proxy else ():
        if pair.likeness in disguises:
            names = f"{shlex.quote(str(published.path))} --person {pair.performer} --plate {shlex.quote(str(plate))}"
            console.print(
                f"Could {pair.performer} still be recognised? `countenance recognise {names}` measures it.",
                markup=False,
            )
    if json:
        print_json(generated_document(result))


def _paired(likenesses: list[str], performers: list[str]) -> list[tuple[str, str]]:
    """Each likeness with the performer that is named at the same place."""
    if len(likenesses) != len(performers):
        raise UsageError(
            f"expected as many --likeness as --performer, got {len(likenesses)} and {len(performers)}; "
            "name them in pairs, such as --likeness dana --performer kim --likeness lee --performer bo"
        )
    return list(zip(likenesses, performers, strict=True))


def _drawn(pair: "GeneratedPair", *, alone: bool) -> str:
    """What a pair's face was drawn from, in words."""
    whose = "" if alone else f"{pair.performer}'s in {pair.num_altered_frames:,}, "
    trained = ", after training" if pair.drawn_with == "trained" else ""
    return f"{whose}drawn from {count(pair.num_references, 'face')} of {pair.likeness}{trained}"


app.command(short_help="Measure whether a performer could still be recognised.")(recognise)
app.command(short_help="Say what can be known about files.")(verify)
app.add_typer(jobs.app, name="jobs", short_help="Queue long work, and see how far it is.")
app.command(short_help="Delete all that is kept of a person, for good.")(forget)
app.command(short_help="List every setting with its default, range and meaning.")(settings)


@app.command(short_help="Run the whole workflow on two synthetic actors.")
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier demo left there.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Draw at half the size.")] = False,
    learn: Annotated[
        bool, typer.Option("--train", help="Learn the two as well, for five minutes, to compare with.")
    ] = False,
) -> None:
    """Run the whole workflow on two synthetic actors; it takes a minute or two.

    Releases, a statement on video, faces, a proxy that is approved, the published file, copies of it without
    credentials, the log. The figures go into report.json beside the result.

    Example: countenance demo --quick --output demo-quick
    """
    from countenance.cli.display import Bars
    from countenance.demo.run import DRAWING, QUICK_DRAWING, TRAINING, run_demo

    try:
        with stops_on_interrupt() as should_stop, Bars() as progress:
            run_demo(
                output,
                overwrite=overwrite,
                progress=progress,
                should_stop=should_stop,
                drawing=QUICK_DRAWING if quick else DRAWING,
                training=TRAINING if learn else None,
            )
    except KeyboardInterrupt:
        console.print("stopped; add --overwrite to start over")
        raise typer.Exit(STOPPED) from None


app.command(short_help="Make an exhibition for a class: which of these were altered?")(lesson)


def main() -> None:
    """Run a command and end with its exit code."""
    try:
        app()
    finally:
        # All is done; Ctrl-C while Python tidies up would only end in a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
