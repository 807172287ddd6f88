"""`countenance actors`: synthetic people, their performances, and ground truth for a face swap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from countenance.cli.options import Json
from countenance.cli.shell import console, count, print_json, stops_on_interrupt
from countenance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from countenance.actors.figure import Figure
    from countenance.actors.render import RendererName

app = typer.Typer(
    help="Render synthetic people: they exist nowhere else, and everything about their images is known.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write.", readable=False)]
Renderer = Annotated[
    Literal["caster", "cycles"],
    typer.Option("--renderer", help="`caster` is fast; `cycles` is Blender's, see `countenance actors setup`."),
]
Size = Annotated[int, typer.Option("--size", min=32, max=2048, help="Side of the images in pixels.")]
Frames = Annotated[int, typer.Option("--frames", min=1, help="Number of frames, 24 a second.")]
PerformanceSeed = Annotated[int, typer.Option("--performance", min=0, help="Seed of what the actor does.")]
SceneSeed = Annotated[int, typer.Option("--scene", min=0, help="Seed of light, camera and background.")]
Shots = Annotated[int, typer.Option("--shots", min=1, help="Shots, each with different light.")]


@app.command()
def setup() -> None:
    """Install Blender into a folder of its own in the cache (about 800 MB), for the renderer `cycles`.

    Example: countenance actors setup
    """
    from countenance.actors.cycles import install_blender
    from countenance.cli.display import Bars

    with Bars() as progress:
        install_blender(progress)
    console.print("Blender is ready.")


@app.command()
def render(
    actor: Annotated[int, typer.Argument(min=0, help="Seed of the actor.")],
    output: Output,
    performance: PerformanceSeed = 1,
    scene: SceneSeed = 1,
    shots: Shots = 1,
    frames: Frames = 48,
    size: Size = 256,
    renderer: Renderer = "caster",
    json: Json = False,
) -> None:
    """Render an actor's performance: images, labels, masks, depth, landmarks. Run again to resume.

    Example: countenance actors render 7 --performance 3 --scene 5 --output take
    """
    from countenance.actors.actor import draw_actor
    from countenance.actors.figure import build_figure
    from countenance.actors.render import detail_of

    person = draw_actor(actor)
    _render(
        {"": lambda: build_figure(person, detail_of(renderer, size))},
        {"actor": actor},
        output,
        (performance, scene, shots, frames, size),
        renderer,
        json=json,
    )


@app.command()
def truth(
    likeness: Annotated[int, typer.Argument(min=0, help="Seed of the actor whose face appears.")],
    performer: Annotated[int, typer.Argument(min=0, help="Seed of the actor whose face is replaced.")],
    output: Output,
    performance: PerformanceSeed = 1,
    scene: SceneSeed = 1,
    shots: Shots = 1,
    frames: Frames = 48,
    size: Size = 256,
    renderer: Renderer = "caster",
    json: Json = False,
) -> None:
    """Render a plate and its ground truth, in the likeness's own skin and in the performer's tone.

    Example: countenance actors truth 7 12 --performance 3 --output case
    """
    from countenance.actors.actor import draw_actor
    from countenance.actors.figure import build_figure, build_truth
    from countenance.actors.render import detail_of

    detail = detail_of(renderer, size)
    face, body = draw_actor(likeness), draw_actor(performer)
    _render(
        {
            "plate": lambda: build_figure(body, detail),
            "truth": lambda: build_truth(face, body, "likeness", detail),
            "truth_toned": lambda: build_truth(face, body, "performer", detail),
        },
        {"likeness": likeness, "performer": performer},
        output,
        (performance, scene, shots, frames, size),
        renderer,
        json=json,
    )


@app.command()
def sheet(
    output: Output,
    first: Annotated[int, typer.Option("--first", min=0, help="Seed of the first actor.")] = 0,
    number: Annotated[int, typer.Option("--number", min=1, help="How many actors.")] = 40,
    columns: Annotated[int, typer.Option("--columns", min=1, help="Images side by side.")] = 8,
    size: Size = 192,
    renderer: Renderer = "caster",
    json: Json = False,
) -> None:
    """Draw many actors on one image, for an overview.

    Example: countenance actors sheet --number 40 --output actors.png
    """
    from countenance.actors.render import opened_renderer
    from countenance.actors.sheet import actors_sheet, write_sheet
    from countenance.cli.display import Bars

    with opened_renderer(renderer) as opened, Bars() as progress:
        seeds = range(first, first + number)
        write_sheet(output, actors_sheet(seeds, opened, size=size, columns=columns, progress=progress))
    console.print(f"{count(number, 'actor')} on {output}")
    if json:
        print_json({"sheet": output, "actors": number})


@app.command()
def triples(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default one in the cache.", readable=False)
    ] = None,
    people: Annotated[int, typer.Option("--people", min=2, help="How many actors.")] = 300,
    performances: Annotated[int, typer.Option("--performances", min=1, help="Short ones, eight frames each.")] = 3_000,
    size: Size = 256,
    share_512: Annotated[
        float, typer.Option("--share-512", min=0, max=1, help="Fraction of the actors seen at 512 pixels.")
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", min=1, max=900, help="Of the plan; another gives other people.")] = 1,
    part: Annotated[
        str, typer.Option("--part", help="`2/8`: the second of eight parts, for several machines.")
    ] = "1/1",
    processes: Annotated[int, typer.Option("--processes", min=1, help="How many at once.")] = 1,
    json: Json = False,
) -> None:
    """Render plates, their ground truths in both skins, and other performances of each likeness, to train on.

    Run again to resume. `--verbose` logs the time left.

    Example: countenance actors triples --people 300 --performances 3000 --processes 4
    """
    from dataclasses import asdict

    from countenance.actors.cache import cache_folder
    from countenance.actors.triples import make_triples
    from countenance.actors.triples_plan import TriplesSpec
    from countenance.cli.display import Bars

    spec = TriplesSpec(seed=seed, people=people, performances=performances, size=size, share_large=share_512)
    folder = output or cache_folder() / "triples" / f"{people}x{performances}-{size}-{seed}"
    with Bars() as progress, stops_on_interrupt() as should_stop:
        state = make_triples(
            folder, spec, part=_part(part), processes=processes, progress=progress, should_stop=should_stop
        )
    console.print(f"{state.takes_done:,} of {count(state.takes, 'take')} in {folder}")
    if state.cpu_s_a_take:
        console.print(f"{state.cpu_s_a_take:.1f} CPU-seconds a take")
    if json:
        print_json({**asdict(state), "folder": folder})


@app.command()
def corpus(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; by default one in the cache.", readable=False)
    ] = None,
    people: Annotated[int, typer.Option("--people", min=2, help="How many actors.")] = 120,
    performances: Annotated[int, typer.Option("--performances", min=1, help="How many, each on all actors.")] = 60,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Of each performance, a third of a second apart.")] = 8,
    size: Size = 160,
    renderer: Renderer = "caster",
    json: Json = False,
) -> None:
    """Render the same performances on many actors, as pairs to train on. Run again to resume.

    Example: countenance actors corpus --people 120 --performances 60 --size 160
    """
    from dataclasses import asdict

    from countenance.actors.cache import cache_folder
    from countenance.actors.corpus import CorpusSpec, make_corpus
    from countenance.cli.display import Bars

    spec = CorpusSpec(people=people, performances=performances, frames=frames, size=size, renderer=renderer)
    folder = output or cache_folder() / "corpus" / f"{renderer}-{people}x{performances}x{frames}-{size}"
    with Bars() as progress, stops_on_interrupt() as should_stop:
        state = make_corpus(folder, spec, progress=progress, should_stop=should_stop)
    console.print(f"{state.pairs_done:,} of {count(state.pairs, 'pair')} in {folder}")
    if state.frames_per_cpu_hour:
        console.print(f"{state.frames_per_cpu_hour:,.0f} frames per CPU-hour")
    if json:
        print_json({**asdict(state), "folder": folder})


@app.command()
def pack(
    corpus_folder: Annotated[Path, typer.Argument(help="Folder of a corpus.", readable=False)],
    output: Output,
    size: Size = 128,
    quality: Annotated[int, typer.Option("--quality", min=1, max=100, help="Of the images, WebP.")] = 80,
    limit_mb: Annotated[float, typer.Option("--limit-mb", min=1, help="The largest size of the file.")] = 60.0,
    json: Json = False,
) -> None:
    """Pack a corpus into one zip file, small enough to carry to another machine.

    Example: countenance actors pack corpus --size 128 --limit-mb 60 --output corpus.zip
    """
    from countenance.actors.corpus import pack_corpus
    from countenance.cli.display import Bars

    with Bars() as progress:
        performances, people = pack_corpus(
            corpus_folder, output, size=size, quality=quality, limit_mb=limit_mb, progress=progress
        )
    megabytes = output.stat().st_size / 1e6
    console.print(f"{count(performances, 'performance')} on {count(people, 'actor')} in {output}, {megabytes:.1f} MB")
    if json:
        print_json({"file": output, "performances": performances, "actors": people, "megabytes": round(megabytes, 1)})


def _part(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        raise UsageError(f"expected a part such as 2/8, got {text!r}; the first number counts from 1")
    return int(number), int(of)


def _render(
    figures: "Mapping[str, Callable[[], Figure]]",
    people: "dict[str, int]",
    output: Path,
    settings: tuple[int, int, int, int, int],
    renderer: "RendererName",
    *,
    json: bool,
) -> None:
    """All figures in the same performance and scene, each into a folder of its name."""
    from countenance.actors.footage import claim_folder, render_folder
    from countenance.actors.performance import draw_performance
    from countenance.actors.render import opened_renderer
    from countenance.actors.staging import draw_scene
    from countenance.cli.display import Bars

    names = ("performance", "scene", "shots", "frames", "size")
    claim_folder(output, {**people, **dict(zip(names, settings, strict=True)), "renderer": renderer})
    performance_seed, scene_seed, shots, frames, size = settings
    performance = draw_performance(performance_seed, frames)
    scene = draw_scene(scene_seed, frames, shots)
    with opened_renderer(renderer) as opened, Bars() as progress:
        for name, figure in figures.items():
            render_folder(
                figure,
                performance,
                scene,
                opened,
                output / name,
                size=size,
                num_frames=frames,
                what=f"rendering {name or 'frames'}",
                progress=progress,
            )
    console.print(f"{count(frames, 'frame')} in {output}")
    if json:
        print_json({"folder": output, "frames": frames, "renderings": [name or "frames" for name in figures]})
