"""The page Train: pairs that the releases allow, what was learned of each, and how the face gets better."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import UInt8
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from countenance import jobs
from countenance.config import Setting, read_config, text_of
from countenance.consent.permit import decide, grant_prepare
from countenance.coverage.aspects import CoverageConfig
from countenance.coverage.measure import Coverage
from countenance.errors import CountenanceError, UsageError
from countenance.jobs import OPEN, Job
from countenance.model.config import FIXED_SETTINGS, SECONDS_PER_FACE, SECONDS_PER_IMAGE, TrainConfig
from countenance.model.page import CURVE_WH, curves_of
from countenance.model.record import latest_preview, preview_after, preview_images, read_metrics
from countenance.model.state import trained_config
from countenance.progress import Silent
from countenance.project import Project
from countenance.steps.cover import cover
from countenance.steps.report import drawn_report
from countenance.steps.settings import list_settings
from countenance.steps.standing import PairInList, Person, Standing, list_pairs, standing_of
from countenance.steps.train import go_back
from countenance.studio.answers import (
    Form,
    go_to,
    page,
    picture,
    posted,
    reading,
    report,
    start_job,
    studio_of,
    writing,
)

KEPT_MB = 58
"""Of a state that can be gone back to: weights and optimiser."""
MOST_MEASURED = 3_000
"""Faces of a set whose coverage is measured while somebody waits."""
NUM_COLUMNS = 3
"""Of a preview: what is given, what is drawn, the truth."""
LATEST = "now"
"""Instead of the images that were seen: what was drawn last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """How long to train, for who doesn't want to think of numbers."""

    name: str
    images: int
    what: str


PRESETS = (
    Preset(name="Try", images=1_200, what="Shows within minutes whether learning helps this pair."),
    Preset(name="Usual", images=4_000, what="What most pairs gain comes until here."),
    Preset(name="Long", images=12_000, what="Seldom better: the faces of one person are soon known by heart."),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A setting in the form."""

    setting: Setting
    value: str
    choices: Sequence[str]
    """Empty where it is a number."""
    is_fixed: bool
    """It can't change within one training."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A point on the slider: what was drawn after so many images."""

    at: str
    """As the address of its pictures has it."""
    words: str
    can_go_back: bool


def _start(request: Request) -> Response:
    with reading(request) as project:
        pairs = list_pairs(project)
    if not pairs:
        return page(request, "train.html", tab="train", pairs=[], pair=None)
    return RedirectResponse(_address(pairs[0].likeness.name, pairs[0].performer.name), 303)


def _show(request: Request) -> Response:
    with reading(request) as project:
        pairs = list_pairs(project)
        pair = _chosen(pairs, request)
        learned, wrong = _learned(project, pair)
        context: dict[str, Any] = {"checkpoint": None, "moments": []}
        if learned is not None:
            context = _live(pair, learned) | _form(project, pair, learned)
            context |= _seen(request, context["moments"])
    job = _job_of(request, pair)
    context |= {"address": _address_of(pair), "pairs": pairs, "pair": pair, "wrong": wrong, "learned": learned}
    context |= {"job": job, "is_open": job is not None and job.state in OPEN, "kept_mb": KEPT_MB}
    return page(request, "train.html", tab="train", title=f"{pair.likeness.name} onto {pair.performer.name}", **context)


def _live_part(request: Request) -> Response:
    """What changes while it is trained: the page's script puts it in place of what it shows."""
    with reading(request) as project:
        pair = _chosen(list_pairs(project), request)
        learned = standing_of(project, pair.likeness.name, pair.performer.name)
        live = _live(pair, learned)
    job = _job_of(request, pair)
    return page(request, "train_live.html", **live, is_open=job is not None and job.state in OPEN)


def _live(pair: PairInList, learned: Standing) -> dict[str, Any]:
    folder, checkpoint = learned.guard.model_folder, learned.checkpoint
    metrics = read_metrics(folder)
    seen = max([checkpoint.images_seen if checkpoint else 0, *(int(line["images"]) for line in metrics[-1:])])
    return {
        "checkpoint": checkpoint,
        "seen": seen,
        "budget": int(checkpoint.config["images"]) if checkpoint else None,
        "moments": _moments(learned),
        "kept": [images for images in learned.kept if checkpoint and images != checkpoint.images_seen],
        "curves": curves_of(metrics),
        "curve_wh": CURVE_WH,
        "first_images": int(metrics[0]["images"]) if metrics else 0,
        "people": (pair.likeness.name, pair.performer.name),
    }


def _seen(request: Request, moments: Sequence[Moment]) -> dict[str, Any]:
    """Which picture is shown: what the address asks for, or the last one."""
    at, row = request.query_params.get("at"), request.query_params.get("row", "0")
    known = [each.at for each in moments]
    return {"at": at if at in known else (known or [""])[-1], "row": min(int(row), 5) if row.isdecimal() else 0}


def _moments(learned: Standing) -> list[Moment]:
    folder, checkpoint = learned.guard.model_folder, learned.checkpoint
    kept = preview_images(folder)
    moments = [
        Moment(
            at=str(images),
            words="the base, before training" if images == 0 else f"after {images:,} images",
            can_go_back=images in learned.kept and checkpoint is not None and images != checkpoint.images_seen,
        )
        for images in kept
    ]
    newest = latest_preview(folder)
    was_gone_back = checkpoint is not None and any(images > checkpoint.images_seen for images in kept)
    is_the_last = checkpoint is not None and kept[-1:] == [checkpoint.images_seen]
    if newest is not None and not was_gone_back and not is_the_last:
        moments.append(Moment(at=f"{LATEST}-{newest}", words="newest", can_go_back=False))
    return moments


def _form(project: Project, pair: PairInList, learned: Standing) -> dict[str, Any]:
    config, seen = _config(project, learned), learned.checkpoint.images_seen if learned.checkpoint else 0
    # Who comes back to a training that is over wants more of it.
    more = next((preset.images for preset in PRESETS if preset.images > seen), 2 * seen)
    images = config.images if config.images > seen else more
    values = {name: text_of(value) for name, value in {**asdict(config), "images": images}.items()}
    fields = [
        Field(
            setting=setting,
            value=values[setting.key],
            choices=tuple(map(str, setting.schema.get("enum", ()))),
            is_fixed=learned.checkpoint is not None and setting.key in FIXED_SETTINGS,
        )
        for setting in list_settings("train")
    ]
    return {
        "fields": fields,
        "presets": PRESETS,
        "images": images,
        "seconds_per_image": SECONDS_PER_IMAGE,
        "seconds_to_begin": 2 * SECONDS_PER_FACE,
        "faces": config.faces,
        "is_ready": pair.is_ready,
    }


def _config(project: Project, learned: Standing) -> TrainConfig:
    """As it was trained so far, or as the project's settings say."""
    if learned.checkpoint is not None:
        return trained_config(learned.guard.model_folder, learned.checkpoint)
    return read_config(TrainConfig, "train", project.settings)


def _begin(request: Request, form: Form) -> Response:
    likeness, performer = form.text("likeness"), form.text("performer")
    with reading(request) as project:
        pair = _found(list_pairs(project), likeness, performer)
        learned = standing_of(project, likeness, performer)
        changes = _changes(project, learned, form)
    if not pair.is_ready:
        raise UsageError(f"the faces of {likeness} and {performer} aren't prepared yet; do that on the page Faces")
    job = _job_of(request, pair)
    if job is not None and job.state in OPEN:
        return go_to(_address_of(pair), say="This pair is in the queue already.")
    arguments = ["train", likeness, "--onto", performer, *(word for each in changes for word in ("--set", each))]
    # Two pages that start it at once say the same, so that it is begun once.
    start_job(request, arguments, once=f"{_address_of(pair)} after {job.number if job else 0}")
    return go_to(_address_of(pair), say="Training is in the queue; it goes on when this page is closed.")


def _changes(project: Project, learned: Standing, form: Form) -> list[str]:
    """What the form says otherwise than the project's settings, as `--set` takes it.

    Raises:
        UsageError: a value isn't allowed.
    """
    asked = asdict(_config(project, learned))
    given = {name: form.text(f"train.{name}", text_of(value)) for name, value in asked.items()}
    config = read_config(TrainConfig, "train", {}, [f"train.{name}={value}" for name, value in given.items()])
    usual = asdict(read_config(TrainConfig, "train", project.settings))
    return [f"train.{name}={text_of(value)}" for name, value in asdict(config).items() if value != usual[name]]


def _stop(request: Request, form: Form) -> Response:
    with reading(request) as project:
        pair = _found(list_pairs(project), form.text("likeness"), form.text("performer"))
    job = _job_of(request, pair)
    # Asked again, it would be killed.
    if job is not None and job.state in OPEN and not job.is_stopping:
        jobs.stop(studio_of(request).project, job.number)
    return go_to(_address_of(pair), say="Training saves and stops; go on whenever you like.")


def _go_back(request: Request, form: Form) -> Response:
    likeness, performer, images = form.text("likeness"), form.text("performer"), form.number("images")
    with writing(request) as project:
        permit = decide(project, "train", likeness=likeness, performer=performer)
        checkpoint = go_back(project, likeness, performer, permit, images)
    say = f"Back at {checkpoint.images_seen:,} images; {checkpoint.what_draws}. The state before is kept."
    return go_to(_address(likeness, performer), say=say)


def _picture(request: Request) -> Response:
    """One row of a preview: the performer's face on the likeness's picture, what is drawn of it, and that picture."""
    likeness, performer = request.path_params["likeness"], request.path_params["performer"]
    at, row = request.path_params["at"], request.path_params["row"]
    with reading(request) as project:
        folder = standing_of(project, likeness, performer).guard.model_folder
        rows = _rows(preview_after(folder, None if at.startswith(LATEST) else int(at) if at.isdecimal() else -1))
    if row >= len(rows):
        raise UsageError(f"a preview has {len(rows)} rows, counted from 0, got {row}; load the page again")
    return picture(rows[row])


def _rows(grid: UInt8[np.ndarray, "H W 3"]) -> list[UInt8[np.ndarray, "S W 3"]]:
    """The rows of a preview, each three square pictures side by side."""
    size = grid.shape[1] // NUM_COLUMNS
    return [grid[top : top + size] for top in range(0, grid.shape[0], size)]


def _covered(request: Request) -> Response:
    """What both face sets lack, before time is spent on them; that may take seconds, so a script asks for it."""
    with reading(request) as project:
        pair = _chosen(list_pairs(project), request)
        standing_of(project, pair.likeness.name, pair.performer.name)
        config = read_config(CoverageConfig, "coverage", project.settings)
        found = [_coverage(project, person, config) for person in (pair.likeness, pair.performer)]
    return page(request, "train_covered.html", found=found, pair=pair)


def _coverage(project: Project, person: Person, config: CoverageConfig) -> tuple[str, Coverage | None, str]:
    """A person, what their face set covers, and why nobody can say."""
    name, permit = person.name, grant_prepare(project, person.name)
    if person.num_faces > MOST_MEASURED:
        return name, None, f"{person.num_faces:,} faces take long to measure; the page Faces does it as a job"
    try:
        return name, cover(project, name, permit, plate=None, config=config, progress=Silent()), ""
    except CountenanceError as error:
        return name, None, str(error)


def _report(request: Request) -> Response:
    likeness, performer = request.path_params["likeness"], request.path_params["performer"]
    with reading(request) as project:
        permit = standing_of(project, likeness, performer).guard.permit
        _, html = drawn_report(project, likeness, performer, permit)
    return report(html)


def _learned(project: Project, pair: PairInList) -> tuple[Standing | None, str]:
    """What was learned, or why it isn't shown."""
    try:
        return standing_of(project, pair.likeness.name, pair.performer.name), ""
    except CountenanceError as error:
        return None, str(error)


def _job_of(request: Request, pair: PairInList) -> Job | None:
    """The newest job that trains this pair, and doesn't go back or report."""
    found = [job for job in jobs.list_jobs(studio_of(request).project) if _trains(job.arguments, pair)]
    return max(found, key=lambda job: (job.state in OPEN, job.number), default=None)


def _trains(arguments: Sequence[str], pair: PairInList) -> bool:
    likeness, performer = pair.likeness.name, pair.performer.name
    if arguments[0] != "train" or {"report", "--back-to"} & set(arguments) or likeness not in arguments:
        return False
    return ("--onto", performer) in pairwise(arguments) or f"--onto={performer}" in arguments


def _chosen(pairs: Sequence[PairInList], request: Request) -> PairInList:
    return _found(pairs, request.path_params["likeness"], request.path_params["performer"])


def _found(pairs: Sequence[PairInList], likeness: str, performer: str) -> PairInList:
    for pair in pairs:
        if (pair.likeness.name, pair.performer.name) == (likeness, performer):
            return pair
    raise UsageError(f"no releases here allow {likeness[:64]} onto {performer[:64]}; add them on the page People")


def _address(likeness: str, performer: str) -> str:
    return f"/train/{likeness}/{performer}"


def _address_of(pair: PairInList) -> str:
    return _address(pair.likeness.name, pair.performer.name)


PAIR = "/train/{likeness}/{performer}"
routes = [
    Route("/train", _start),
    Route("/train/start", posted(_begin), methods=["POST"]),
    Route("/train/stop", posted(_stop), methods=["POST"]),
    Route("/train/back", posted(_go_back), methods=["POST"]),
    Route(PAIR, _show),
    Route(f"{PAIR}/live", _live_part),
    Route(f"{PAIR}/coverage", _covered),
    Route(f"{PAIR}/report", _report),
    Route(f"{PAIR}/picture/{{at}}/{{row:int}}", _picture),
]
