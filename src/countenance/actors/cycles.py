"""The slow renderer: Cycles, from the `bpy` wheel in an environment and a process of its own.

`bpy` is GPL and needs another NumPy, so nothing of it is imported here: figures and frames go out as files, commands
and answers as lines of JSON (`blender_worker.py`).
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Float

from countenance.actors.actor import Colour
from countenance.actors.cache import cache_folder
from countenance.actors.colour import to_light, to_srgb
from countenance.actors.eyes import CORNEA_INDEX, IRIS_DEPTH, SCLERA_SPAN, eye_frame, wet_colours, wet_faces
from countenance.actors.figure import LASH_RGB, Figure, Posed
from countenance.actors.head import load_head
from countenance.actors.light import pupil_scale
from countenance.actors.scene import Camera, Light
from countenance.actors.skin import LINE_DEPTH, LINE_SHADE_RGB, LINES, LINES_BOX, RELIEF_M
from countenance.actors.strands import ShortHair
from countenance.errors import ActorError
from countenance.progress import Progress

PACKAGES = ("bpy==4.5.15", "numpy<2")
PYTHON_VERSION = "3.11"
"""The one that this `bpy` is built for."""
SEED = 7
"""The same in all frames of a clip: what is left of the noise then stands still."""
LASH_RADIUS_M = 0.00007
FINEST = 0.6
"""Of a caster's strand that hides little, Cycles' is so much narrower."""
NUM_LAST_LINES = 60
END_TIMEOUT_S = 10
HINT = "Blender is not set up; run `countenance actors setup` (about 800 MB), or use the renderer `caster`"


def blender_python() -> Path:
    """The interpreter that has `bpy`.

    Raises:
        ActorError: there is none yet.
    """
    python = _interpreter(cache_folder() / "blender")
    if not python.exists():
        raise ActorError(HINT)
    return python


def install_blender(progress: Progress) -> Path:
    """Make the environment that `blender_python` finds; one that is there is kept.

    Raises:
        ActorError: no fitting Python, no network, no space.
    """
    folder = cache_folder() / "blender"
    if _interpreter(folder).exists():
        progress.note(f"Blender is already set up in {folder}")
        return _interpreter(folder)
    part = folder.with_name("blender.part")
    shutil.rmtree(part, ignore_errors=True)
    python = str(_interpreter(part))
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    steps = [[_python_for_blender(), "-m", "venv", str(part)], [*pip, *PACKAGES], [python, "-I", "-c", "import bpy"]]
    for step in progress.track(steps, what="setting up Blender (about 800 MB)", unit="steps", total=len(steps)):
        done = subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise ActorError(f"Blender can't be set up in {folder}: {last}")
    # Scripts of the environment still name the old folder; its interpreter, which alone is used, doesn't care.
    part.rename(folder)
    return _interpreter(folder)


class BlenderWorker:
    """Draws one figure after another, one frame after another.

    with BlenderWorker() as worker:
        worker.load(figure)
        worker.draw(posed, camera, light, Path("0001.png"), size=256, samples=8)
    """

    def __init__(self, *, python: Path | None = None, num_threads: int = 1) -> None:
        self._python = blender_python() if python is None else python
        self._num_threads = num_threads
        self._last_lines: deque[str] = deque(maxlen=NUM_LAST_LINES)

    def __enter__(self) -> "BlenderWorker":
        self._folder = tempfile.TemporaryDirectory(prefix="countenance-")
        script = Path(__file__).with_name("blender_worker.py")
        # Isolated (-I), it sees no module of this folder; in a session of its own, Ctrl-C reaches this process alone,
        # which then ends the other.
        self._process = subprocess.Popen(  # noqa: S603
            [str(self._python), "-I", str(script), str(self._num_threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self._answer()
        except BaseException:
            self._end(at_once=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(at_once=kind is not None)

    def load(self, figure: Figure) -> float:
        """Draw this figure from now on; returns the CPU-seconds that it took to take it in.

        Raises:
            ActorError: Blender failed.
        """
        path = Path(self._folder.name) / "figure.npz"
        np.savez(path, **figure_arrays(figure))
        answer = self._ask({"figure": str(path)})
        path.unlink()
        return float(answer["cpu_s"])

    def draw(
        self, posed: Posed, camera: Camera, light: Light, output: Path, *, size: int, samples: int = 8, seed: int = SEED
    ) -> float:
        """Write one frame as a PNG file, whole or not at all; returns the CPU-seconds it took.

        Raises:
            ActorError: Blender failed, or the file can't be written.
        """
        path = Path(self._folder.name) / "posed.npz"
        np.savez(path, **posed_arrays(posed))
        answer = self._ask(
            {
                "frame": str(path),
                "output": str(output.absolute()),
                "camera": camera_json(camera),
                "light": light_json(light),
                "size": size,
                "samples": samples,
                "seed": seed,
            }
        )
        return float(answer["cpu_s"])

    def _ask(self, command: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._death()
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            # Cut short as the process died.
            raise self._death() from None
        if "error" in answer:
            raise ActorError(f"Blender can't draw this: {answer['error']}")
        return answer

    def _listen(self) -> None:
        """Keep the last lines that Blender printed, without its progress lines."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if not line.startswith("Fra:"):
                self._last_lines.append(line.rstrip())

    def _death(self) -> ActorError:
        code = self._process.wait(END_TIMEOUT_S)
        self._listener.join(END_TIMEOUT_S)
        said = " | ".join([line for line in self._last_lines if line][-4:]) or "nothing"
        return ActorError(f"Blender ended unexpectedly (status {code}); its last output: {said}")

    def _end(self, *, at_once: bool) -> None:
        if at_once:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(END_TIMEOUT_S)
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._folder.cleanup()


def figure_arrays(figure: Figure) -> dict[str, Any]:
    """What stays the same from frame to frame, as the worker reads it."""
    face, body = figure.face, figure.body
    glasses_rgb = (0.0, 0.0, 0.0) if body.glasses is None else body.glasses.rgb
    floats = {
        "skin_uv": figure.skin_uv,
        "skin_rest": _skin_rest(figure),
        "eye_points": figure.eye.points,
        "eye_shape": (face.eyes.radius, face.eyes.pupil * face.eyes.radius, IRIS_DEPTH, CORNEA_INDEX, SCLERA_SPAN),
        "wet_rgb": wet_colours(),
        "teeth_rgb": figure.teeth_rgb,
        "gum_rgb": figure.gum_rgb,
        "tongue_rgb": figure.tongue_rgb,
        "cloth_rgb": _linear(body.cloth_rgb),
        "glasses_rgb": _linear(glasses_rgb),
        "glasses_metal": float(body.glasses is not None and body.glasses.kind in {"wire", "half"}),
        "lenses_passing": figure.lenses.passing,
        "lenses_reflectance": figure.lenses.reflectance,
        "hair_strands": figure.hair.points,
        "hair_radius": figure.hair.radius_m * (FINEST + (1 - FINEST) * figure.hair.cover),
        "hair_rgb": figure.hair.rgb,
        "lash_radius": np.full(1, LASH_RADIUS_M),
        "lash_rgb": _linear(LASH_RGB)[None],
        **_short_hair("brow", figure.brows),
        **_short_hair("beard", figure.beard),
    }
    faces = {
        "skin_faces": figure.skin_faces,
        "eye_faces": figure.eye.faces,
        "wet_faces": wet_faces(),
        "teeth_faces": figure.teeth.faces,
        "gum_faces": figure.gum.faces,
        "tongue_faces": figure.tongue_faces,
        "cloth_faces": figure.cloth.faces,
        "glasses_faces": figure.glasses.faces,
        "lenses_faces": figure.lenses.mesh.faces,
    }
    for number, occluder in enumerate(figure.occluders):
        look = occluder.material
        floats |= {
            f"occluder{number}_rgb": occluder.rgb,
            f"occluder{number}_rest": occluder.mesh.points,
            f"occluder{number}_material": [
                *(look.roughness, look.shine, look.metallic, look.sheen),
                *(look.subsurface, look.relief_m, look.relief_per_m),
            ],
        }
        faces[f"occluder{number}_faces"] = occluder.mesh.faces
    return {
        "num_occluders": np.asarray(len(figure.occluders)),
        **{name: np.asarray(value, np.float32) for name, value in floats.items()},
        **{name: np.asarray(value, np.int32) for name, value in faces.items()},
        **{
            f"eye_{side}_{name}": np.round(255 * to_srgb(maps[number])).astype(np.uint8)
            for name, maps in (("iris", figure.eye_maps.iris), ("sclera", figure.eye_maps.sclera))
            for number, side in enumerate(("left", "right"))
        },
        "skin_rgb": figure.skin.rgb,
        "skin_roughness": figure.skin.roughness,
        "skin_height": figure.skin.height,
        "skin_lines": figure.skin.lines,
        "lines_box": np.array([LINES_BOX.u, LINES_BOX.v, LINES_BOX.width], np.float32),
        "line_depth_m": np.float32(LINE_DEPTH * RELIEF_M),
        "line_shade_rgb": np.exp(-LINE_SHADE_RGB),
    }


def posed_arrays(posed: Posed) -> dict[str, Any]:
    """Where everything is in a frame, as the worker reads it."""
    arrays = {
        "skin_xyz": posed.skin,
        "eye_left_matrix": eye_frame(posed.eye_left).matrix,
        "eye_right_matrix": eye_frame(posed.eye_right).matrix,
        "wet_xyz": posed.wet,
        "teeth_xyz": posed.teeth,
        "gum_xyz": posed.gum,
        "tongue_xyz": posed.tongue,
        "cloth_xyz": posed.cloth,
        "glasses_xyz": posed.glasses,
        "lenses_xyz": posed.lenses,
        "brow_strands": posed.brows,
        "lash_strands": posed.lashes,
        "beard_strands": posed.beard,
        "head_matrix": posed.head_matrix,
        "line_weights": [posed.lines[name] for name in LINES],
    }
    arrays |= {f"occluder{number}_xyz": xyz for number, xyz in enumerate(posed.occluders)}
    return {name: np.asarray(value, np.float32) for name, value in arrays.items()}


def camera_json(camera: Camera) -> dict[str, Any]:
    """A camera, as the worker reads it."""
    return {"position": camera.position.tolist(), "look_at": camera.look_at.tolist(), "focal": camera.focal}


def light_json(light: Light) -> dict[str, Any]:
    """A light, as the worker reads it."""
    lamps = [
        {
            "azimuth_deg": lamp.azimuth_deg,
            "elevation_deg": lamp.elevation_deg,
            "power_w": lamp.power_w,
            "size_m": lamp.size_m,
            "rgb": lamp.rgb,
        }
        for lamp in light.lamps
    ]
    return {
        "environment": light.environment,
        "turn_deg": light.turn_deg,
        "strength": light.strength,
        "pupil_scale": pupil_scale(light),
        "lamps": lamps,
    }


def _skin_rest(figure: Figure) -> Float[np.ndarray, "V 3"]:
    """The template's skin, so that fine detail sits at the same places on everybody."""
    head = load_head()
    return np.asarray(head.skin_levels[figure.detail.level].matrix @ head.points)


def _short_hair(name: str, hair: ShortHair | None) -> dict[str, Any]:
    """Widths and colours of strands; those of one hair that is never drawn where there is none."""
    if hair is None:
        return {f"{name}_radius": np.zeros(1), f"{name}_rgb": np.zeros((1, 3))}
    return {f"{name}_radius": FINEST * hair.radius_m, f"{name}_rgb": hair.rgb}


def _linear(srgb: Colour) -> Float[np.ndarray, " 3"]:
    return to_light(np.asarray(srgb, np.float64))


def _interpreter(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _python_for_blender() -> str:
    if sys.version_info[:2] == tuple(int(number) for number in PYTHON_VERSION.split(".")):
        return sys.executable
    found = shutil.which(f"python{PYTHON_VERSION}")
    if found is None:
        raise ActorError(f"this Blender needs Python {PYTHON_VERSION}, and none is found; install it beside this one")
    return found
