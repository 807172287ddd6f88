"""`countenance bench`: how good and how fast this is, against ground truth and against other systems."""

import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from countenance.cli.options import Json
from countenance.cli.shell import console, print_json

app = typer.Typer(
    help="Measure quality against ground truth, and speed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command(short_help="Compare methods with ground truth.")
def truth(
    cases: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Cases to run instead of the package's own.", readable=False)
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Processor time for each training.  [default: 60; with --quick: 12]"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three small cases; under ten minutes on two cores.")] = False,
    methods: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only these, separated by commas.", show_default=False)
    ] = None,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for results; existing ones are reused.", readable=False)
    ] = Path("bench-truth"),
    json: Json = False,
) -> None:
    """Train every method on synthetic actors, replace the face in a plate, and compare with ground truth.

    Leaves results.json, table.md, plot.png, a contact sheet for each case, and each
    method's frames furthest from the truth. Run again to resume. What fails is a line
    in them, and the command then ends with 1.

    Example: countenance bench truth --quick --output bench-quick
    """
    from json import dumps

    from countenance.bench.extra import require_extra

    require_extra()
    _one_thread()
    from countenance.bench.cases import read_cases, shipped_cases
    from countenance.bench.methods import chosen_methods
    from countenance.bench.pictures import write_farthest, write_plot, write_sheet
    from countenance.bench.table import document, failures, gains_table, means_table, results_with_gains
    from countenance.bench.truth import (
        BUDGET_S,
        NOT_DRAWN,
        POINTS,
        QUICK_BUDGET_S,
        QUICK_POINTS,
        TruthConfig,
        run_truth,
    )
    from countenance.cli.display import Bars
    from countenance.project import write_whole

    chosen = read_cases(cases or shipped_cases("quick" if quick else "full"))
    config = TruthConfig(
        cases=chosen,
        methods=chosen_methods(methods),
        budget_s=budget if budget is not None else QUICK_BUDGET_S if quick else BUDGET_S,
        points=QUICK_POINTS if quick else POINTS,
    )
    with Bars() as progress:
        results = results_with_gains(run_truth(config, output, progress))
    command = shlex.join(["countenance", *sys.argv[1:]])
    text = document(results, command)
    write_whole(output / "results.json", dumps({"command": command, **results}, indent=1).encode())
    write_whole(output / "table.md", text.encode())
    write_plot(output / "plot.png", results)
    for case in chosen:
        if any(row["case"] == case.name and row["stages"] for row in results["rows"]):
            write_sheet(output / f"sheet-{case.name}.png", results, case, output)
    for method in config.methods:
        if method not in NOT_DRAWN and any(row["method"] == method and row["stages"] for row in results["rows"]):
            write_farthest(output / f"farthest-{method.replace(' ', '-')}.png", results, chosen, method, output)
    console.print(f"See {output / 'plot.png'} and the sheets beside it; all figures are in {output / 'table.md'}.")
    if json:
        print_json(results)
    else:
        print("Gains: 0 is the untouched plate, 1 is ground truth, negative is worse than no change.")
        print(gains_table(results))
        print()
        print(means_table(results))
    failed = failures(results)
    for line in failed:
        console.print(f"Failed: {line}", markup=False, soft_wrap=True)
    if failed:
        console.print("Run the same command again to try what failed once more; all other results are kept.")
        raise typer.Exit(1)


@app.command(short_help="Measure speed and memory.")
def speed(json: Json = False) -> None:
    """Measure what training, preparing and generating cost on this machine, on one thread, beside other systems.

    Example: countenance bench speed
    """
    from countenance.bench.extra import require_extra

    require_extra()
    _one_thread()
    from countenance.bench.speed import run_speed, speed_table
    from countenance.cli.display import Bars

    with Bars() as progress:
        results = run_speed(progress)
    if json:
        print_json(results)
    else:
        facts = results["machine"]
        print(f"{facts['processor']}, {facts['cores']} cores, one thread; torch {facts['torch']}")
        print(speed_table(results))


@app.command(short_help="Measure detection, landmarks and masks.")
def prepare(
    quick: Annotated[bool, typer.Option("--quick", help="One clip of each condition instead of two.")] = False,
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for results.", readable=False)] = Path(
        "bench-prepare"
    ),
    json: Json = False,
) -> None:
    """Prepare rendered clips, one difficulty each, and compare the faces found with ground truth.

    Leaves results.json, table.md and a contact sheet for each condition. Clips are rendered once and kept in the cache.

    Example: countenance bench prepare --quick --output bench-prepare
    """
    from json import dumps

    from countenance.bench.extra import require_extra

    require_extra()
    _one_thread()
    from countenance.bench.finding.run import run_prepare
    from countenance.bench.finding.script import CLIPS, quick_clips
    from countenance.bench.finding.tables import document
    from countenance.cli.display import Bars
    from countenance.project import write_whole

    with Bars() as progress:
        results = run_prepare(quick_clips() if quick else CLIPS, output, progress)
    command = shlex.join(["countenance", *sys.argv[1:]])
    text = document(results, command)
    write_whole(output / "results.json", dumps({"command": command, **results}, indent=1).encode())
    write_whole(output / "table.md", text.encode())
    console.print(f"See the sheets in {output}; all figures are in {output / 'table.md'}.")
    if json:
        print_json(results)
    else:
        print(text)


@app.command(short_help="Check the metrics on graded series.")
def judge(
    output: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the images.", readable=False)] = Path(
        "bench-judge"
    ),
    stranger: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Another person's ground truth for the demo's performance.", readable=False),
    ] = None,
    json: Json = False,
) -> None:
    """Check that every metric ranks images that degrade step by step; leaves a sheet and a plot.

    Example: countenance bench judge --output bench-judge
    """
    from dataclasses import asdict

    from countenance.bench.extra import require_extra

    require_extra()
    _one_thread()
    from countenance.bench.judge.graded import table_of, write_demo_graded

    output.mkdir(parents=True, exist_ok=True)
    verdicts = write_demo_graded(output, stranger=stranger)
    if json:
        print_json([asdict(verdict) for verdict in verdicts])
    else:
        print(table_of(verdicts))
    failed = [verdict for verdict in verdicts if verdict.is_needed and not verdict.is_right]
    console.print(f"See the images in {output}.")
    if failed:
        console.print(f"{len(failed)} of the metrics don't rank as they must.")
        raise typer.Exit(1)


def _one_thread() -> None:
    """Before torch is loaded, here and in all processes started from here."""
    os.environ["OMP_NUM_THREADS"] = "1"
