"""The verbs, and the one place where errors become exit codes.

Paths are `readable=False` all over: typer would look whether a file can be read, and call it wrong use.

0 done · 2 wrong use · 3 consent · 4 media · 5 model · 6 provenance · 7 actors · 70 our bug · 130 stopped by Ctrl-C
"""

import signal
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text
from typer.core import TyperGroup
from typer.exceptions import TyperException

from countenance.cli import actors, bench, faces, log, release
from countenance.cli.coverage import coverage
from countenance.cli.shell import (
    console,
    count,
    here,
    is_verbose,
    print_json,
    show_log,
    stops_on_interrupt,
)
from countenance.cli.verify import verify
from countenance.errors import CountenanceError, one_line

ORDER = (
    "new",
    "release",
    "collect",
    "prepare",
    "faces",
    "coverage",
    "train",
    "generate",
    "verify",
    "log",
    "demo",
    "actors",
    "bench",
)
"""In which `--help` lists the commands: that of the work."""

REMEDY = "check free disk space and permissions, then run the same command again"
DATABASE_FAILED, FILE_FAILED, STOPPED, BUG = 4, 4, 130, 70
"""Exit codes of what is no error of the tree."""
BUG_REPORT_NAME, MAX_BUG_CHARACTERS = "bug-report.txt", 200


class Verbs(TyperGroup):
    """All commands; every error ends in one line and its exit code, and with `--json` in a document as well."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(ORDER)

    def invoke(self, ctx: Any) -> Any:
        as_json = "--json" in ctx.args
        try:
            # From here on there is somebody to catch it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            result = super().invoke(ctx)
            # Python's own flush, at its end, would report a full disk in its own way.
            sys.stdout.flush()
        except CountenanceError as error:
            _fail(str(error), error.exit_code, error.code, error.facts, as_json=as_json)
        except sqlite3.OperationalError as error:
            message = f"the project's database can't be used: {error}; {REMEDY}"
            _fail(message, DATABASE_FAILED, "system.database", {}, as_json=as_json)
        except BrokenPipeError:
            # The reader of our output has seen enough; typer ends without a message.
            raise
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            message = f"{where}{error.strerror or error}; {REMEDY}"
            facts = {"path": error.filename} if error.filename else {}
            _fail(message, FILE_FAILED, "system.file", facts, as_json=as_json)
        except KeyboardInterrupt:
            console.print("stopped; run the same command to continue")
            if as_json:
                print_json(_error_document("stopped", "stopped", STOPPED, {}))
            raise typer.Exit(STOPPED) from None
        except TyperException as error:
            # Typer prints it, for people.
            if as_json:
                message = one_line(error.format_message())
                print_json(_error_document(message, "usage.command_line", error.exit_code, {}))
            raise
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            _report_bug(error, as_json=as_json)
        return result


def _fail(message: str, exit_code: int, code: str, facts: Mapping[str, object], *, as_json: bool) -> NoReturn:
    message = one_line(message)
    console.print(Text.assemble(("error: ", "bold red"), message))
    if as_json:
        print_json(_error_document(message, code, exit_code, facts))
    raise typer.Exit(exit_code) from None


def _error_document(message: str, code: str, exit_code: int, facts: Mapping[str, object]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "exit_code": exit_code, "facts": dict(facts)}}


def _report_bug(error: Exception, *, as_json: bool) -> NoReturn:
    """One line for the user; the traceback goes into a private file, and with `--verbose` to the console."""
    import platform
    import traceback

    import countenance

    trace = "".join(traceback.format_exception(error))
    facts = f"countenance {countenance.__version__}, Python {platform.python_version()}, {platform.platform()}"
    if is_verbose():
        console.print(trace, markup=False)
    try:
        from countenance.project import config_folder, write_whole

        path = config_folder() / BUG_REPORT_NAME
        write_whole(path, f"{facts}\ncountenance {' '.join(sys.argv[1:])}\n\n{trace}".encode(), mode=0o600)
        report = f"report it in the issue tracker of Countenance with {path} (read it first: it names your files)"
    except (OSError, CountenanceError):
        report = "report it in the issue tracker of Countenance with what `countenance --verbose` prints"
    what = f"{type(error).__name__}: {error}"
    message = f"this is a bug in Countenance, not your mistake: {what[:MAX_BUG_CHARACTERS]}; please {report}"
    _fail(message, BUG, "bug", {}, as_json=as_json)


app = typer.Typer(
    name="countenance",
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(
    help="Consented face replacement: collect, prepare, train, generate, verify.\n\n"
    "Exit codes: 0 done, 2 wrong use, 3 consent, 4 media, 5 model, 6 provenance, 7 actors, 70 a bug of Countenance, "
    "130 stopped by Ctrl-C."
)
def root(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is opened, saved and published, on standard error.")
    ] = False,
) -> None:
    show_log(verbose=verbose)


app.add_typer(release.app, name="release", short_help="Draft, sign, add, list and revoke releases.")
app.add_typer(faces.app, name="faces", short_help="Look at the faces found, answer, and mend.")
app.add_typer(log.app, name="log", short_help="Show and check what the project did.")
app.add_typer(actors.app, name="actors", short_help="Render synthetic people and the exact answer to a replacement.")
app.add_typer(bench.app, name="bench", short_help="Measure everything against the truth.")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; a wrong name lists all."),
]


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make.", show_default=False)],
    use: Annotated[str, typer.Option(help="What the films are for: one of the uses that a release names.")] = "film",
    title: Annotated[
        str | None, typer.Option(help="The production's title; without it, that of the first release.")
    ] = None,
) -> None:
    """Make a project folder.

    Example: countenance new film --use film --title "Winter"
    """
    from countenance.consent.release import check_use
    from countenance.project import create

    check_use(use)
    settings = create(folder, use=use, title=title)
    console.print(
        f"Made {settings}. Next: `cd {folder}`, then `countenance release new --help` shows how to begin a release.",
        markup=False,
    )


@app.command(short_help="Bring footage of a person into the project.")
def collect(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose footage it is.", show_default=False)],
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH", help="Videos, pictures, or folders of them.", readable=False, show_default=False
        ),
    ],
    json: Json = False,
) -> None:
    """Bring footage of a person into the project; files stay where they are.

    Example: countenance collect dana footage/dana/
    """
    from countenance.cli.display import Bars
    from countenance.consent.release import check_person
    from countenance.steps.collect import collect

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
        f"{len(result.known)} known already. Next: `countenance prepare {person}`."
    )
    if json:
        print_json(
            {
                "person": person,
                "clips": [
                    {"path": i.path, "sha256": i.sha256, "frames": i.num_frames, "notes": i.notes} for i in result.clips
                ],
                "known": result.known,
                "left_out": [{"path": path, "reason": reason} for path, reason in result.left_out],
            }
        )


@app.command(short_help="Find, judge and keep the faces of a person.")
def prepare(
    person: Annotated[str, typer.Argument(metavar="PERSON", help="Whose faces to find.", show_default=False)],
    set_: Set = None,
    json: Json = False,
) -> None:
    """Find, align, judge and keep the faces of a person. Run again to go on; what is done is not done again.

    Example: countenance prepare dana --set prepare.min_size_px=96
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import grant_prepare
    from countenance.faces.config import PrepareConfig
    from countenance.steps.prepare import prepare

    with here(writing=True) as project, Bars() as progress:
        config = read_config(PrepareConfig, "prepare", project.settings, set_ or [])
        permit = grant_prepare(project, person)
        result = prepare(project, person, permit, config, progress=progress)
    face_set = result.face_set
    pair = f"{person} --onto PERFORMER" if permit.likeness else f"LIKENESS --onto {person}"
    if result.rejections["unsure who"]:
        console.print(
            f"{count(result.rejections['unsure who'], 'face')} may be {person} or not; to answer, "
            f"`countenance faces review {person}`.",
            markup=False,
        )
    console.print(
        f"Face set of {person}: {face_set.num_faces:,} of {count(result.num_found, 'face')} in "
        f"{count(result.num_clips, 'clip')}. Next: with both face sets, `countenance train {pair}`."
    )
    if json:
        print_json(
            {
                "person": person,
                "faces_found": result.num_found,
                "faces_kept": face_set.num_faces,
                "faces_of_others": result.num_others,
                "left_out": result.rejections,
                "face_set": face_set.digest,
                "permit": face_set.permit_digest,
            }
        )


@app.command(short_help="Teach a model a face; stops by itself, or with Ctrl-C.")
def train(
    likeness: Annotated[str, typer.Argument(metavar="LIKENESS", help="Whose face will appear.", show_default=False)],
    onto: Annotated[str, typer.Option("--onto", help="The performer whose face it will replace.", show_default=False)],
    set_: Set = None,
    json: Json = False,
) -> None:
    """Teach a model the likeness's face with the performer's expressions. Ctrl-C saves; run again to go on.

    Example: countenance train dana --onto kim --set train.resolution=64 --set train.images=50000
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import grant
    from countenance.model.checkpoint import model_folder
    from countenance.model.config import TrainConfig
    from countenance.steps.train import train

    with here(writing=True) as project, stops_on_interrupt() as should_stop, Bars() as progress:
        config = read_config(TrainConfig, "train", project.settings, set_ or [])
        permit = grant(project, "train", likeness=likeness, performer=onto)
        checkpoint = train(project, likeness, onto, permit, config, progress=progress, should_stop=should_stop)
        folder = model_folder(project, likeness, onto)
    done = checkpoint.images_seen >= config.images
    generate_it = f"`countenance generate PLATE --likeness {likeness} --performer {onto} --output shot.mp4`"
    console.print(
        f"{checkpoint.images_seen:,} of {config.images:,} images seen; look at {folder / 'preview.png'}. "
        f"{f'Next: {generate_it}.' if done else 'Saved. Run the same command to go on.'}",
        markup=False,
    )
    if json:
        print_json({"model": folder, "images_seen": checkpoint.images_seen, "weights": checkpoint.weights_sha256})
    if not done:
        raise typer.Exit(130)


@app.command(short_help="Put the likeness onto a plate, and publish it.")
def generate(
    plate: Annotated[
        Path,
        typer.Argument(
            metavar="PLATE", help="Video or picture that receives the face.", readable=False, show_default=False
        ),
    ],
    likeness: Annotated[str, typer.Option(help="Whose face will appear.", show_default=False)],
    performer: Annotated[str, typer.Option(help="Whose face is replaced.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            help="File to publish: .mp4 or .mov; .jpg, .png or .webp for a picture.", readable=False, show_default=False
        ),
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it is there.")] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Put the likeness onto a plate, and publish it: labelled, signed and logged. Run again to go on.

    Example: countenance generate plate.mp4 --likeness dana --performer kim --output shot.mp4

    The visible label can be left off with a reason, which the file's credentials and the log will state:
    --set generate.label=false --set 'generate.unlabelled_reason=credits name the process'

    The face takes the performer's skin tone, so that it agrees with the neck; with --set generate.skin=likeness it
    keeps its own.
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import grant
    from countenance.steps.generate import GenerateConfig, generate

    with here(writing=True) as project, Bars() as progress:
        config = read_config(GenerateConfig, "generate", project.settings, set_ or [])
        permit = grant(project, "generate", likeness=likeness, performer=performer)
        result = generate(
            project, plate, likeness, performer, permit, output, config, overwrite=overwrite, progress=progress
        )
    published = result.published
    for begin, end in result.unaltered_spans:
        console.print(f"Not altered from {begin:.2f} s to {end:.2f} s: {performer} was not found there.")
    console.print(
        f"Published {published.path}: a face was replaced in {published.num_altered_frames:,} of "
        f"{count(published.num_frames, 'frame')}. Next: `countenance verify {published.path}`.",
        markup=False,
    )
    if json:
        print_json(
            {
                "output": published.path,
                "sha256": published.sha256,
                "manifest": published.manifest_digest,
                "permit": published.permit_digest,
                "log_index": published.log_index,
                "frames": published.num_frames,
                "altered_frames": published.num_altered_frames,
                "unaltered_spans_s": result.unaltered_spans,
            }
        )


app.command(short_help="Say what a face set covers and lacks, and what to shoot.")(coverage)
app.command(short_help="Say what can be known of a file.")(verify)


@app.command(short_help="Run the whole job on two synthetic actors.")
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier demo left there.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train for half a minute, to see each step rather than a face.")
    ] = False,
) -> None:
    """Run the whole job on two synthetic actors; it takes a few minutes, with --quick about one.

    Example: countenance demo --quick --output demo-quick
    """
    from countenance.cli.display import Bars
    from countenance.demo.run import QUICK_TRAINING, TRAINING, run_demo

    training = QUICK_TRAINING if quick else TRAINING

    try:
        with stops_on_interrupt() as should_stop, Bars() as progress:
            run_demo(output, overwrite=overwrite, progress=progress, should_stop=should_stop, training=training)
    except KeyboardInterrupt:
        console.print("stopped; add --overwrite to begin again")
        raise typer.Exit(130) from None


def main() -> None:
    """Run a command and end with its exit code."""
    try:
        app()
    finally:
        # All is said and done; Ctrl-C while Python tidies up would only end in a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
