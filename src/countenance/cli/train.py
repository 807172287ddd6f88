"""`countenance train`: learn a pair, and report how that went."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from countenance.cli.failures import STOPPED
from countenance.cli.options import Json, Overwrite, Set
from countenance.cli.shell import console, here, print_json, stops_on_interrupt

LEARN, REPORT = "learn", "report"


class LearnOrReport(TyperGroup):
    """`train LIKENESS` learns, `train report LIKENESS` reports: learning is the command that has no name."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args[:1] == [REPORT] else ["", *args])

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name or LEARN)


app = typer.Typer(cls=LearnOrReport, add_completion=False)
Likeness = Annotated[str, typer.Argument(metavar="LIKENESS", help="Whose face will appear.", show_default=False)]
Onto = Annotated[str, typer.Option("--onto", help="The performer whose face it will replace.", show_default=False)]


@app.command(LEARN)
def learn(
    likeness: Likeness,
    onto: Onto,
    back_to: Annotated[
        int | None,
        typer.Option(
            "--back-to",
            metavar="IMAGES",
            min=1,
            help="Train nothing; draw with the state that was kept after so many images, and go on from there later.",
            show_default=False,
        ),
    ] = None,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Learn a likeness and a performer from their face sets, so that what is generated comes nearer to the likeness.

    Ctrl-C saves; run again to resume. `countenance train report LIKENESS --onto PERFORMER` shows how it went.

    Example: countenance train dana --onto kim --set train.images=20000
    """
    from countenance.cli.display import Bars
    from countenance.config import read_config
    from countenance.consent.permit import decide
    from countenance.errors import UsageError
    from countenance.model.checkpoint import kept_images, model_folder
    from countenance.model.config import TrainConfig
    from countenance.steps.documents import trained_document
    from countenance.steps.train import go_back, train

    if back_to is not None:
        if set_:
            raise UsageError("--back-to trains nothing, so there is nothing to --set; leave one of them out")
        with here(writing=True) as project:
            permit = decide(project, "train", likeness=likeness, performer=onto)
            checkpoint = go_back(project, likeness, onto, permit, back_to)
            folder = model_folder(project, likeness, onto)
        console.print(f"Back at {checkpoint.images_seen:,} images; {checkpoint.what_draws}.", markup=False)
        if json:
            print_json(trained_document(folder, checkpoint, kept_images(folder)))
        return
    with here(writing=True) as project, stops_on_interrupt() as should_stop, Bars() as progress:
        config = read_config(TrainConfig, "train", project.settings, set_ or [])
        permit = decide(project, "train", likeness=likeness, performer=onto)
        checkpoint = train(project, likeness, onto, permit, config, progress=progress, should_stop=should_stop)
        folder = model_folder(project, likeness, onto)
    done = checkpoint.images_seen >= config.images or checkpoint.ended_early
    generate_it = f"`countenance generate PLATE --likeness {likeness} --performer {onto} --output shot.mp4`"
    report_it = f"`countenance train report {likeness} --onto {onto}`"
    early = ", ended early as nothing came nearer" if checkpoint.ended_early else ""
    console.print(
        f"{checkpoint.images_seen:,} of {config.images:,} images seen{early}; {checkpoint.what_draws}. "
        f"{report_it} shows how it went. "
        f"{f'Next: {generate_it}.' if done else 'Saved. Run the same command to resume.'}",
        markup=False,
    )
    if json:
        print_json(trained_document(folder, checkpoint, kept_images(folder)))
    if not done:
        raise typer.Exit(STOPPED)


@app.command(REPORT)
def report(
    likeness: Likeness,
    onto: Onto,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Page to write.  [default: training-LIKENESS-onto-PERFORMER.html]", readable=False
        ),
    ] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Report a training as a page: pictures over time, curves, what it learned from, and what to shoot next.

    The page shows faces, so only you can read it.

    Example: countenance train report dana --onto kim
    """
    from countenance.consent.permit import decide
    from countenance.steps.documents import training_document
    from countenance.steps.pages import check_page
    from countenance.steps.report import report_training

    page = output or Path(f"training-{likeness}-onto-{onto}.html")
    check_page(page, overwrite=overwrite)
    with here(writing=True) as project:
        permit = decide(project, "train", likeness=likeness, performer=onto)
        result = report_training(project, likeness, onto, permit, page)
    console.print(f"See {page}. It shows faces: keep it private.", markup=False)
    if json:
        print_json(training_document(page, result))
