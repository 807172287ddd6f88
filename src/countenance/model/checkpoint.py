"""A checkpoint on disk, written atomically: weights as safetensors, facts as JSON."""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from countenance.errors import ModelError
from countenance.ledger import canonical_json
from countenance.project import Project, refuse_link, write_whole

_log = logging.getLogger(__name__)

ROOM = "models"
"""Folder of the project for the face models of its pairs."""
FACTS_NAME = "checkpoint.json"
SCHEMA = 3
KEPT_NAME = re.compile(r"checkpoint-(\d{9})\.json")
"""Facts of an earlier state that can be gone back to, by the images seen until then."""
WEIGHTS_NAME = re.compile(r"[0-9a-f]{16}\.safetensors")
UNFINISHED_NAME = re.compile(
    rf"\.({WEIGHTS_NAME.pattern}|checkpoint(-\d{{9}})?\.json|metrics\.jsonl|preview(-\d{{9}})?\.png)\.[a-z0-9_]{{8}}"
)
"""What `write_whole` leaves behind when it is killed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """The facts beside the weights."""

    people: tuple[str, ...]
    """The likeness first, then the performer."""
    config: Mapping[str, Any]
    images_seen: int
    best_images: int
    """Images seen by what draws; 0: the base draws."""
    measured_images: int
    """Images seen when it was last compared with the base."""
    ended_early: bool
    """Whether training ended before its budget, as nothing came as near as before."""
    face_set_digests: tuple[str, ...]
    release_digests: tuple[str, ...]
    permit_digest: str
    versions: Mapping[str, str]
    weights_name: str
    """File of the weights, in the same folder."""
    weights_sha256: str
    schema: int = SCHEMA

    @property
    def what_draws(self) -> str:
        """In words."""
        if self.best_images:
            return f"what was learned from {self.best_images:,} images draws"
        if self.measured_images:
            return "nothing that was learned came as near as the base, so the base draws"
        return "nothing was compared with the base yet, so the base draws"

    @property
    def digest(self) -> str:
        """Digest of the weights, the people, and their face sets and releases."""
        facts = {
            "weights": self.weights_sha256,
            "people": self.people,
            "face_sets": self.face_set_digests,
            "releases": self.release_digests,
        }
        return hashlib.sha256(canonical_json(facts)).hexdigest()


def save_checkpoint(
    folder: Path,
    weights: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    record: Callable[[Checkpoint], None],
    *,
    keep: bool = False,
) -> Checkpoint:
    """Write the weights under a new name, then the facts that point to them, then drop weights that nothing points to.

    With `keep` it can be gone back to later on. If this is interrupted, the folder still holds a whole checkpoint, the
    old or the new. `record` is called before the facts are there, so that every checkpoint has a record; if it raises,
    the folder stays as it was.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()})
    digest = hashlib.sha256(content).hexdigest()
    checkpoint = Checkpoint(**facts, weights_name=f"{digest[:16]}.safetensors", weights_sha256=digest)
    is_new = not (folder / checkpoint.weights_name).exists()
    write_whole(folder / checkpoint.weights_name, content, mode=0o600)
    try:
        record(checkpoint)
    except Exception:
        if is_new:
            (folder / checkpoint.weights_name).unlink()
        raise
    if keep:
        keep_checkpoint(folder, checkpoint)
    make_current(folder, checkpoint)
    clear_unfinished(folder)
    _drop_later(folder, checkpoint.images_seen)
    _drop_weights(folder)
    _log.info("saved %s after %d images", folder / checkpoint.weights_name, checkpoint.images_seen)
    return checkpoint


def keep_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """So that it can be gone back to."""
    _write_facts(folder / _kept_name(checkpoint.images_seen), checkpoint)


def make_current(folder: Path, checkpoint: Checkpoint) -> None:
    """What draws, and what training goes on from; its weights are in the folder."""
    _write_facts(folder / FACTS_NAME, checkpoint)


def kept_images(folder: Path) -> list[int]:
    """After how many images the states were saved that can be gone back to, ascending."""
    return sorted(int(match[1]) for path in folder.glob("*") if (match := KEPT_NAME.fullmatch(path.name)))


def _kept_name(images_seen: int) -> str:
    return f"checkpoint-{images_seen:09}.json"


def _write_facts(path: Path, checkpoint: Checkpoint) -> None:
    write_whole(path, json.dumps(asdict(checkpoint), indent=1).encode(), mode=0o600)


def _drop_later(folder: Path, images_seen: int) -> None:
    """States beyond one that was gone back to and on from: what is learned now isn't what led to them."""
    for images in kept_images(folder):
        if images > images_seen:
            (folder / _kept_name(images)).unlink()


def _drop_weights(folder: Path) -> None:
    """Those to which no facts point.

    Raises:
        ModelError: there are facts that can't be read, so that nobody knows to what they point.
    """
    pointing = [read_checkpoint(folder, images) for images in (None, *kept_images(folder))]
    used = {checkpoint.weights_name for checkpoint in pointing if checkpoint}
    for path in folder.iterdir():
        if WEIGHTS_NAME.fullmatch(path.name) and path.name not in used:
            path.unlink()


def clear_unfinished(folder: Path) -> None:
    """Delete files that a killed save left behind, and no others."""
    for path in folder.iterdir():
        if UNFINISHED_NAME.fullmatch(path.name):
            path.unlink()


def has_checkpoint(folder: Path) -> bool:
    """Whether something was trained there; it may be a checkpoint that can't be read."""
    return (folder / FACTS_NAME).exists()


def read_checkpoint(folder: Path, images: int | None = None) -> Checkpoint | None:
    """The facts of the checkpoint in a folder, or of one of `kept_images`; none where nothing was trained yet.

    Raises:
        ModelError: there is one that can't be read.
    """
    path = folder / (FACTS_NAME if images is None else _kept_name(images))
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text())
        if values["schema"] != SCHEMA:
            raise ModelError(
                f"{path} has schema {values['schema']}, this version reads {SCHEMA}; move {folder} away and train "
                "again, or draw without it: --set generate.model=base"
            )
        return TypeAdapter(Checkpoint).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = str(error)
    raise ModelError(
        f"{path} is corrupt ({why}); restore it from a copy, or remove {folder} and train again",
        code="model.corrupt",
        path=path,
    )


def read_weights(folder: Path, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The weights, checked against their digest. Nothing but safetensors is ever opened.

    Raises:
        ModelError: they are missing, were changed, or are not safetensors.
    """
    path = folder / checkpoint.weights_name
    if path.parent != folder or path.suffix != ".safetensors":
        raise ModelError(
            f"{folder / FACTS_NAME} names {checkpoint.weights_name!r}, which is not a .safetensors file beside it"
        )
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"{path} is missing; restore it from a copy, or remove {folder} and train again",
            code="model.corrupt",
            path=path,
        ) from None
    if hashlib.sha256(content).hexdigest() != checkpoint.weights_sha256:
        raise ModelError(
            f"{path} is corrupt: its digest isn't the one in {FACTS_NAME}; "
            f"restore it from a copy, or remove {folder} and train again",
            code="model.corrupt",
            path=path,
        )
    try:
        return load(content)
    except SafetensorError as error:
        raise ModelError(
            f"{path} is not a safetensors file ({error}); remove {folder} and train again",
            code="model.corrupt",
            path=path,
        ) from None


def restore(module: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Load weights into a network.

    Raises:
        ModelError: they are of another network.
    """
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ModelError(f"the checkpoint in {folder} is for another network ({first}); train again") from None


def models_of(project: Project, person: str) -> list[Path]:
    """The folders of face models that were learned with a person in either role, whatever their names are now.

    Raises:
        UsageError: the project's folder for them, or one in it, is a link.
    """
    room = refuse_link(project.folder / ROOM)
    folders = sorted(refuse_link(path) for path in room.glob("*") if path.is_dir() or path.is_symlink())
    return [folder for folder in folders if _is_of(folder, person)]


def _is_of(folder: Path, person: str) -> bool:
    if folder.name.startswith(f"{person}-onto-") or folder.name.endswith(f"-onto-{person}"):
        return True
    # A folder that was renamed, of whatever version.
    for path in folder.glob("checkpoint*.json"):
        try:
            people = json.loads(path.read_text())["people"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if person in people:
            return True
    return False


def model_folder(project: Project, likeness: str, performer: str) -> Path:
    """Where the face model of this pair is kept, in the project's `ROOM`; it may not be there.

    Raises:
        UsageError: the path is a link.
    """
    return refuse_link(refuse_link(project.folder / ROOM) / f"{likeness}-onto-{performer}")
