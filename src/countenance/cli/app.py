"""The verbs, and the one place where errors become exit codes.

0 done · 2 wrong use · 3 consent · 4 media · 5 model · 6 provenance · 130 stopped by Ctrl-C
"""

import sqlite3
import sys
from pathlib import Path
from typing import Annotated

import typer

from countenance.cli import log, release
from countenance.cli.shell import console, here, print_json, stops_on_interrupt
from countenance.cli.verify import verify
from countenance.errors import CountenanceError, MediaError, UsageError

app = typer.Typer(
    name="countenance",
    help="Consented face replacement: collect, prepare, train, generate, verify.\n\n"
    "Exit codes: 0 done, 2 wrong use, 3 consent, 4 media, 5 model, 6 provenance, 130 stopped by Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(release.app, name="release")
app.add_typer(log.app, name="log")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting.")]


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
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
    console.print(f"Made {settings}. Next: go to {folder} and add releases with `countenance release`.")


@app.command()
def collect(
    person: Annotated[str, typer.Argument(help="Whose footage it is.")],
    paths: Annotated[list[Path], typer.Argument(help="Videos, pictures, or folders of them.")],
    json: Json = False,
) -> None:
    """Bring footage of a person into the project.

    Example: countenance collect dana footage/dana/
    """
    from countenance.cli.display import Bars
    from countenance.consent.release import check_person
    from countenance.steps.collect import collect

    check_person(person)
    with here(writing=True) as project:
        result = collect(project, person, paths, progress=Bars())
    for path, reason in result.left_out:
        console.print(f"left out: {reason or path}", markup=False)
    frames = sum(info.num_frames for info in result.clips)
    console.print(f"{len(result.clips)} new clips of {person}, {frames:,} frames; {len(result.known)} known already.")
    if json:
        print_json(
            {
                "person": person,
                "clips": [{"path": i.path, "sha256": i.sha256, "frames": i.num_frames} for i in result.clips],
                "known": result.known,
                "left_out": [{"path": path, "reason": reason} for path, reason in result.left_out],
            }
        )


@app.command()
def prepare(
    person: Annotated[str, typer.Argument(help="Whose faces to find.")],
    set_: Set = None,
    json: Json = False,
) -> None:
    """Find, align, judge and keep the faces of a person; what is done already is not done again.

    Example: countenance prepare dana --set prepare.min_size_px=96
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import grant_prepare
    from countenance.faces.quality import QualityLimits
    from countenance.steps.prepare import prepare

    with here(writing=True) as project:
        config = read_config(QualityLimits, "prepare", project.settings, set_ or [])
        permit = grant_prepare(project, person)
        result = prepare(project, person, permit, config, progress=Bars())
    face_set = result.face_set
    console.print(
        f"Face set of {person}: {face_set.num_faces} of {result.num_found} faces in {result.num_clips} clips."
    )
    if json:
        print_json(
            {
                "person": person,
                "faces_found": result.num_found,
                "faces_kept": face_set.num_faces,
                "left_out": result.rejections,
                "face_set": face_set.digest,
                "permit": face_set.permit_digest,
            }
        )


@app.command()
def train(
    likeness: Annotated[str, typer.Argument(help="Whose face will appear.")],
    onto: Annotated[str, typer.Option("--onto", help="The performer whose face it will replace.")],
    set_: Set = None,
    json: Json = False,
) -> None:
    """Teach a model the likeness's face with the performer's expressions. Ctrl-C saves; run again to go on.

    Example: countenance train dana --onto kim --set train.resolution=64 --set train.images=50000
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import grant
    from countenance.model.config import TrainConfig
    from countenance.steps.train import model_folder, train

    with here(writing=True) as project, stops_on_interrupt() as should_stop:
        config = read_config(TrainConfig, "train", project.settings, set_ or [])
        permit = grant(project, "train", likeness=likeness, performer=onto)
        checkpoint = train(project, likeness, onto, permit, config, progress=Bars(), should_stop=should_stop)
        stopped, folder = should_stop(), model_folder(project, likeness, onto)
    console.print(f"{checkpoint.images_seen:,} of {config.images:,} images seen; look at {folder / 'preview.png'}.")
    if json:
        print_json({"model": folder, "images_seen": checkpoint.images_seen, "weights": checkpoint.numbers_sha256})
    if stopped:
        console.print("Saved. Run the same command to go on.")
        raise typer.Exit(130)


@app.command()
def generate(
    plate: Annotated[Path, typer.Argument(help="Video or picture that receives the face.")],
    likeness: Annotated[str, typer.Option(help="Whose face will appear.")],
    performer: Annotated[str, typer.Option(help="Whose face is replaced.")],
    output: Annotated[Path, typer.Option(help="File to publish: .mp4 or .mov; .jpg, .png or .webp for a picture.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it is there.")] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Put the likeness onto a plate, and publish it: labelled, signed and logged. Run again to go on.

    Example: countenance generate plate.mp4 --likeness dana --performer kim --output shot.mp4

    The visible label can be left off with a reason, which the file's credentials and the log will state:
    --set generate.label=false --set 'generate.unlabelled_reason=credits name the process'
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import grant
    from countenance.provenance.publish import PublishConfig
    from countenance.steps.generate import generate

    with here(writing=True) as project:
        config = read_config(PublishConfig, "generate", project.settings, set_ or [])
        permit = grant(project, "generate", likeness=likeness, performer=performer)
        result = generate(
            project, plate, likeness, performer, permit, output, config, overwrite=overwrite, progress=Bars()
        )
    published = result.published
    console.print(
        f"Published {published.path}: a face was replaced in {published.num_altered_frames} of "
        f"{published.num_frames} frames."
    )
    for begin, end in result.unaltered_spans:
        console.print(f"Not altered from {begin:.2f} s to {end:.2f} s: {performer} was not found there.")
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


app.command()(verify)


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for the result.")] = Path("demo"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it is there.")] = False,
) -> None:
    """Run the whole job on two synthetic actors; it takes a few minutes.

    Example: countenance demo --output demo
    """
    from countenance.cli.display import Bars
    from countenance.demo.run import run_demo

    with stops_on_interrupt() as should_stop:
        run_demo(output, overwrite=overwrite, progress=Bars(), should_stop=should_stop)


def main() -> None:
    """Run a command; every error a user can cause ends in one line and its exit code."""
    try:
        app(standalone_mode=True)
    except CountenanceError as error:
        code = error.exit_code
        console.print(f"error: {error}", style="red", markup=False)
    except sqlite3.OperationalError as error:
        code = UsageError.exit_code
        console.print(f"error: the project's database can't be used ({error}); is the disk full?", markup=False)
    except OSError as error:
        code = MediaError.exit_code
        where = f" ({error.filename})" if error.filename else ""
        console.print(f"error: {error.strerror or error}{where}", markup=False)
    except KeyboardInterrupt:
        code = 130
        console.print("stopped; run the same command to go on", markup=False)
    else:
        code = 0
    sys.exit(code)
