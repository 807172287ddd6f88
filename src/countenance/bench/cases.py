"""Cases of the benchmark: whose face goes onto whose performance, and the files of each."""

import hashlib
import json
import re
import shutil
import tomllib
from dataclasses import asdict, dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Literal

from countenance.actors.cache import cache_folder
from countenance.actors.render import RENDERING
from countenance.capture.settings import KINDS, CaptureKind
from countenance.demo import data_folder
from countenance.errors import UsageError
from countenance.progress import Progress
from countenance.types import Role

DEMO = "demo"
"""Name of the case that uses the package's demo footage and needs no renderer."""
DEMO_LIKENESS, DEMO_PERFORMER = "zuri", "kofi"
ROLES: tuple[Role, Role] = ("likeness", "performer")
LEAST_SIZE = 64
COMPLETE_NAME = "complete"
NAME_PATTERN = "[a-z0-9][a-z0-9-]{0,40}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One entry of a case file; numbers are seeds."""

    name: str
    likeness: int = 0
    performer: int = 0
    performance: int = 0
    scene: int = 0
    tones: Literal["near", "far"] = "near"
    """Whether the two people's skin tones are close: then the plate is close to the ground truth from the start."""
    renderer: Literal["caster", "cycles"] = "caster"
    size: int = 256
    """Side of the frames in pixels."""
    training_frames: int = 120
    """Of each person."""
    plate_frames: int = 48
    capture: CaptureKind | None = None
    """Kind of camera that films plate and ground truth alike, and training clips with others; None: as rendered."""
    props: int | None = None
    """Seed of what the performer wears and holds in plate and ground truth; None: nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFiles:
    """A case on disk."""

    case: Case
    folder: Path

    @property
    def plate(self) -> Path:
        return self.folder / "plate.mp4"

    @property
    def truth(self) -> Path:
        """Ground-truth frames.

        In the performer's skin tone where there is a choice: the composite keeps the plate's colours.
        """
        toned = self.folder / "truth_toned"
        return toned if toned.is_dir() else self.folder / "truth"

    @property
    def masks(self) -> Path:
        return self.folder / "mask"

    def training(self, role: Role) -> Path:
        """A person's training clip."""
        return self.folder / f"{role}_training.mp4"

    def reference(self, role: Role) -> Path:
        """The portrait in a person's release."""
        return self.folder / f"{role}.png"

    def digest(self) -> str:
        """Digest of all files that influence a result."""
        digest = hashlib.sha256()
        people = [path for role in ROLES for path in (self.training(role), self.reference(role))]
        for path in [self.plate, *people, *sorted(self.truth.glob("*.png")), *sorted(self.masks.glob("*.png"))]:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()


def shipped_cases(name: Literal["quick", "full"]) -> Path:
    """A case file of the package."""
    return Path(str(files("countenance"))) / "bench" / "cases" / f"{name}.toml"


def read_cases(path: Path) -> tuple[Case, ...]:
    """The cases of a file.

    Raises:
        UsageError: it can't be read, or an entry isn't a case.
    """
    try:
        entries = tomllib.loads(path.read_text())["case"]
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}; check the name") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, RecursionError) as error:
        raise UsageError(f"{path} is not a case file ({error}); it should hold a [[case]] table per case") from None
    if not isinstance(entries, list):
        raise UsageError(f"{path} is not a case file; it should hold a [[case]] table per case")
    cases = tuple(_case(entry, path) for entry in entries)
    names = [case.name for case in cases]
    if len(set(names)) < len(names) or not names:
        raise UsageError(f"expected a different name for each case in {path}, got {', '.join(names) or 'none'}")
    return cases


def case_files(case: Case, progress: Progress) -> CaseFiles:
    """The case's files in the cache, rendered if missing; an interrupted rendering resumes.

    Raises:
        ActorError: packages or Blender are missing, or a render failed.
    """
    folder = case_folder(case)
    made = CaseFiles(case=case, folder=folder)
    if not (folder / COMPLETE_NAME).exists():
        folder.mkdir(parents=True, exist_ok=True)
        if case.name == DEMO:
            _copy_demo(made)
        else:
            _render(case, folder, progress)
        (folder / COMPLETE_NAME).touch()
    return made


def case_folder(case: Case) -> Path:
    """Folder of a case's files; seeds and sizes are part of its name."""
    facts = json.dumps([asdict(case), RENDERING], sort_keys=True)
    return cache_folder() / "bench" / f"{case.name}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def _case(entry: object, path: Path) -> Case:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise UsageError(f"expected a name for every case in {path}, got {entry}")
    known = {field.name for field in fields(Case)}
    unknown = sorted(entry.keys() - known)
    if unknown:
        raise UsageError(f"case {entry['name']} in {path} has unknown {', '.join(unknown)}; known: {', '.join(known)}")
    if not re.fullmatch(NAME_PATTERN, entry["name"]):
        raise UsageError(
            f"expected a name of lower-case letters, digits and - for a case in {path}, got {entry['name']!r}"
        )
    choices = {"tones": ("near", "far"), "renderer": ("caster", "cycles"), "capture": KINDS}
    for name, value in entry.items():
        if name in choices and value not in choices[name]:
            raise UsageError(
                f"case {entry['name']} in {path}: expected {name} {' or '.join(choices[name])}, got {value!r}"
            )
        if name not in {"name", *choices} and (type(value) is not int or value < 0):
            raise UsageError(f"case {entry['name']} in {path}: expected {name} as a whole number, got {value!r}")
    case = Case(**entry)
    if case.name == DEMO:
        if entry.keys() != {"name"}:
            raise UsageError(f"case {DEMO} in {path} is the package's own and has no settings; choose another name")
        return case
    if case.likeness == case.performer:
        raise UsageError(f"case {case.name} in {path}: expected two people, got {case.likeness} as both")
    if case.size < LEAST_SIZE or case.size % 2:
        raise UsageError(f"case {case.name} in {path}: expected an even size of at least {LEAST_SIZE}, got {case.size}")
    if min(case.training_frames, case.plate_frames) < 1:
        raise UsageError(f"case {case.name} in {path}: expected at least one frame of everything")
    return case


def _copy_demo(made: CaseFiles) -> None:
    data = data_folder()
    for role, person in (("likeness", DEMO_LIKENESS), ("performer", DEMO_PERFORMER)):
        shutil.copyfile(data / f"{person}_training.mp4", made.folder / f"{role}_training.mp4")
        shutil.copyfile(data / f"{person}.png", made.folder / f"{role}.png")
    shutil.copyfile(data / "performance.mp4", made.plate)
    shutil.copytree(data / f"truth_{DEMO_LIKENESS}", made.folder / "truth", dirs_exist_ok=True)
    shutil.copytree(data / f"truth_{DEMO_LIKENESS}_mask", made.masks, dirs_exist_ok=True)


def _render(case: Case, folder: Path, progress: Progress) -> None:
    # Imported late: the demo's case needs no renderer.
    from countenance.actors.footage import CaseSpec, render_case  # noqa: PLC0415

    values = {name: value for name, value in asdict(case).items() if name != "tones"}
    render_case(CaseSpec(**values), folder, progress)
