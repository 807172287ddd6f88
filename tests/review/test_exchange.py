import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from countenance.errors import CountenanceError, UsageError
from countenance.faces.store import StoredFace, read_crop, read_visible, stored_faces, write_face
from countenance.progress import Silent
from countenance.project import Project
from countenance.review import exchange
from countenance.review.exchange import Change, hidden_by_hand, read_folder, write_folder
from tests.support.made_up import add_track, mesh_at, picture_of


@pytest.fixture
def faces(project: Project) -> list[StoredFace]:
    """Three faces of dana, the last of them left out."""
    return [*add_track(project, [4, 9]), *add_track(project, [12], x=100, rejections=("blurred",))]


@pytest.fixture
def folder(project: Project, faces: list[StoredFace], tmp_path: Path) -> Path:
    """They are exported."""
    path = tmp_path / "out"
    exported = list(write_folder(project, "dana", faces, {face.id: face.frame / 25 for face in faces}, path))
    assert exported == faces
    return path


def change_sidecar(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "faces.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def changed(project: Project, folder: Path, person: str = "dana") -> list[Change]:
    """What isn't as it was."""
    changes = read_folder(project, person, stored_faces(project, person), folder, progress=Silent())
    return [
        each
        for each in changes
        if each.word or each.is_deleted or each.mask is not None or each.landmarks_xyz is not None
    ]


def test_what_comes_out_can_be_read_by_others(project: Project, faces: list[StoredFace], folder: Path) -> None:
    document = json.loads((folder / "faces.json").read_bytes())
    assert (document["schema"], document["person"]) == (1, "dana")
    assert [record["name"] for record in document["faces"]] == [face.name for face in faces]
    first, _, last = document["faces"]
    assert (first["frame"], first["time_s"], first["state"], first["reasons"]) == (4, 0.16, "kept", [])
    assert (last["state"], last["reasons"], last["mask_origin"]) == ("left-out", ["blurred"], "hull")
    assert first["quality"]["size_px"] == faces[0].quality.size_px
    np.testing.assert_allclose(first["landmarks_xyz"], faces[0].landmarks_xyz, atol=0.005001)
    with Image.open(folder / f"{faces[0].name}.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), read_crop(project, faces[0].id))
    with Image.open(folder / f"{faces[0].name}.mask.png") as picture:
        np.testing.assert_allclose(np.asarray(picture) / 255, read_visible(project, faces[0].id), atol=0.002)


def test_only_its_owner_can_read_it(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_folder_that_holds_something_is_left_alone(project: Project, faces: list[StoredFace], tmp_path: Path) -> None:
    full, file, link = tmp_path / "full", tmp_path / "file", tmp_path / "link"
    (full / "mine").mkdir(parents=True)
    file.write_text("mine")
    link.symlink_to(tmp_path / "elsewhere")
    for path in (full, file, link):
        with pytest.raises(UsageError, match="expected a new or empty folder"):
            next(write_folder(project, "dana", faces, {}, path))
    assert [path.name for path in full.iterdir()] == ["mine"]


def test_nothing_changed_changes_nothing(project: Project, folder: Path) -> None:
    assert changed(project, folder) == []


def test_words_and_deleted_pictures_come_back(project: Project, faces: list[StoredFace], folder: Path) -> None:
    def say(document: dict[str, Any]) -> None:
        document["faces"][0]["state"] = "drop"
        document["faces"][2]["state"] = "keep"

    change_sidecar(folder, say)
    (folder / f"{faces[1].name}.png").unlink()
    (folder / f"{faces[1].name}.mask.png").unlink()
    first, second, third = changed(project, folder)
    assert (first.face.id, first.word) == (faces[0].id, "drop")
    assert (second.face.id, second.word, second.is_deleted) == (faces[1].id, None, True)
    assert (third.face.id, third.word) == (faces[2].id, "keep")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_painted_mask_comes_back_however_it_was_saved(
    project: Project, faces: list[StoredFace], folder: Path, mode: str
) -> None:
    path = folder / f"{faces[1].name}.mask.png"
    paint(path, mode)
    (change,) = changed(project, folder)
    assert change.face.id == faces[1].id
    assert change.mask is not None
    assert change.mask[:100].max() == 0
    assert change.mask[150, 128] == 1
    hidden = hidden_by_hand(change.face.landmarks_xyz, change.mask)
    _, hull = picture_of(change.face.landmarks_xyz)
    assert hidden == pytest.approx(hull[:100].sum() / hull.sum(), abs=0.01)
    # Once it is stored, the same folder brings nothing new.
    write_face(
        project,
        faces[1].id,
        landmarks_xyz=change.face.landmarks_xyz,
        quality=change.face.quality,
        crop=read_crop(project, faces[1].id),
        visible=change.mask,
        mask_origin="hand",
    )
    assert changed(project, folder) == []


def test_nudged_landmarks_come_back(project: Project, faces: list[StoredFace], folder: Path) -> None:
    nudge(folder, 0, 4.25)
    (change,) = changed(project, folder)
    assert change.face.id == faces[0].id
    assert change.landmarks_xyz is not None
    np.testing.assert_allclose(change.landmarks_xyz[:, 0] - faces[0].landmarks_xyz[:, 0], 4.25, atol=0.006)
    # Once it is stored, its name has changed, and the same folder brings nothing new.
    crop, mask = picture_of(change.landmarks_xyz)
    write_face(
        project,
        faces[0].id,
        landmarks_xyz=change.landmarks_xyz,
        quality=faces[0].quality,
        crop=crop,
        visible=mask,
        mask_origin="hull",
    )
    assert stored_faces(project, "dana")[0].name != faces[0].name
    assert changed(project, folder) == []
    # Only a mask painted over the old crop would be wrong now.
    paint(folder / f"{faces[0].name}.mask.png", "L")
    with pytest.raises(CountenanceError, match=r"was cut again since .* export again, then paint"):
        changed(project, folder)


def test_a_face_that_is_a_near_duplicate_now_cannot_be_mended(
    project: Project, faces: list[StoredFace], folder: Path
) -> None:
    project.database.execute("UPDATE faces SET crop = NULL, mask = NULL, mask_origin = NULL")
    assert changed(project, folder) == []
    nudge(folder, 0, 4)
    with pytest.raises(CountenanceError, match="is a near duplicate now"):
        changed(project, folder)
    nudge(folder, 0, -4)
    paint(folder / f"{faces[0].name}.mask.png", "L")
    with pytest.raises(CountenanceError, match="was cut again"):
        changed(project, folder)


def paint(path: Path, mode: str) -> None:
    """White below, black above; where it can be, the black is transparent white."""
    grey = np.zeros((256, 256), np.uint8)
    grey[100:] = 255
    picture = Image.fromarray(grey)
    if mode == "RGBA":
        picture = Image.merge("RGBA", [Image.new("L", (256, 256), 255)] * 3 + [picture])
    picture.convert(mode).save(path)


def nudge(folder: Path, number: int, by_px: float) -> None:
    def move(document: dict[str, Any]) -> None:
        for point in document["faces"][number]["landmarks_xyz"]:
            point[0] = round(point[0] + by_px, 2)

    change_sidecar(folder, move)


def set_first(key: str, value: object) -> Callable[[Path, str], None]:
    def spoil(folder: Path, _name: str) -> None:
        change_sidecar(folder, lambda document: document["faces"][0].update({key: value}))

    return spoil


def set_sidecar(key: str, value: object) -> Callable[[Path, str], None]:
    def spoil(folder: Path, _name: str) -> None:
        change_sidecar(folder, lambda document: document.update({key: value}))

    return spoil


def replace_text(old: str, new: str) -> Callable[[Path, str], None]:
    def spoil(folder: Path, _name: str) -> None:
        path = folder / "faces.json"
        text = path.read_text()
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text, count=1))

    return spoil


def write_sidecar(content: bytes) -> Callable[[Path, str], None]:
    def spoil(folder: Path, _name: str) -> None:
        (folder / "faces.json").write_bytes(content)

    return spoil


def save_picture(ending: str, picture: Image.Image) -> Callable[[Path, str], None]:
    def spoil(folder: Path, name: str) -> None:
        picture.save(folder / f"{name}{ending}", "PNG")

    return spoil


def write_picture(ending: str, content: bytes) -> Callable[[Path, str], None]:
    def spoil(folder: Path, name: str) -> None:
        (folder / f"{name}{ending}").write_bytes(content)

    return spoil


def move_folder(folder: Path, _name: str) -> None:
    folder.rename(folder.parent / "moved")


def rename_face(folder: Path, name: str) -> None:
    """As if it were a face that the project doesn't have."""
    new = "abababababab-000077-1-2"
    change_sidecar(folder, lambda document: document["faces"][0].update(name=new))
    for ending in (".png", ".mask.png"):
        (folder / f"{name}{ending}").rename(folder / f"{new}{ending}")


def link_picture(folder: Path, name: str) -> None:
    path = folder / f"{name}.png"
    path.rename(folder.parent / "elsewhere.png")
    path.symlink_to(folder.parent / "elsewhere.png")


def pipe_sidecar(folder: Path, _name: str) -> None:
    (folder / "faces.json").unlink()
    os.mkfifo(folder / "faces.json")


def retouch(folder: Path, name: str) -> None:
    path = folder / f"{name}.png"
    with Image.open(path) as picture:
        picture.putpixel((128, 128), (0, 255, 0))
        picture.save(path)


def put_stranger(folder: Path, name: str) -> None:
    (folder / "somebody.PNG").write_bytes((folder / f"{name}.png").read_bytes())


def say_twice(folder: Path, _name: str) -> None:
    change_sidecar(folder, lambda document: document["faces"].append(document["faces"][0]))


def nudge_and_paint(folder: Path, name: str) -> None:
    nudge(folder, 0, 3)
    paint(folder / f"{name}.mask.png", "L")


def nudge_and_delete(folder: Path, name: str) -> None:
    nudge(folder, 0, 3)
    (folder / f"{name}.png").unlink()


def nudge_far(folder: Path, _name: str) -> None:
    nudge(folder, 0, 70)


def squash(folder: Path, _name: str) -> None:
    def to_one_point(document: dict[str, Any]) -> None:
        points = np.array(document["faces"][0]["landmarks_xyz"])
        middle = points.mean(axis=0)
        document["faces"][0]["landmarks_xyz"] = (middle + (points - middle) * 0.3).round(2).tolist()

    change_sidecar(folder, to_one_point)


def big_sidecar(folder: Path, _name: str) -> None:
    with (folder / "faces.json").open("r+b") as file:
        file.truncate(exchange.MAX_SIDECAR_BYTES + 1)


TOO_MANY_POINTS = [[0.0, 0.0, 0.0]] * 469

SPOILED: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "no folder": (move_folder, "expected a folder made by"),
    "no sidecar": (lambda folder, _: (folder / "faces.json").unlink(), "there is no .*faces.json; export again"),
    "pipe": (pipe_sidecar, "expected a regular file, but .* is a pipe"),
    "large sidecar": (big_sidecar, "expected at most 200,000,000 bytes"),
    "no JSON": (write_sidecar(b"\x80pickle"), "faces.json: invalid JSON"),
    "deep JSON": (write_sidecar(b'{"schema":' + b"[" * 100_000), "faces.json: invalid JSON"),
    "other schema": (set_sidecar("schema", 2), "has schema 2, this version reads 1"),
    "other person": (set_sidecar("person", "kim"), "expected faces of dana, but .* holds those of kim"),
    "no number": (replace_text(r"\[\[-?[\d.]+", "[[NaN"), r"faces.0.landmarks_xyz.0.0: input should be a finite"),
    "huge number": (replace_text(r"\[\[-?[\d.]+", "[[1e300"), r"landmarks_xyz.0.0: input should be less than"),
    "words for numbers": (replace_text(r"\[\[-?[\d.]+", '[["1"'), r"landmarks_xyz.0.0: input should be a valid number"),
    "too many landmarks": (set_first("landmarks_xyz", TOO_MANY_POINTS), "landmarks_xyz: list should have at most 468"),
    "unknown state": (set_first("state", "burn"), "faces.0.state: input should be 'kept'"),
    "unknown face": (rename_face, "isn't among the faces of dana any more"),
    "path as name": (set_first("name", "../../secret"), "faces.0.name: string should match pattern"),
    "face twice": (say_twice, "names a face twice"),
    "moved far": (nudge_far, r"moved by more than half of the face's width"),
    "no face any more": (squash, "don't make a face any more"),
    "nudged and painted": (nudge_and_paint, "which was painted on the old crop"),
    "nudged and deleted": (nudge_and_delete, "but its picture was deleted; decide on one"),
    "retouched": (retouch, "can't be retouched"),
    "stranger": (put_stranger, "somebody.PNG isn't in faces.json: faces come from clips only"),
    "link": (link_picture, "expected a regular file, but .* is a symbolic link"),
    "no mask": (lambda folder, name: (folder / f"{name}.mask.png").unlink(), "there is no .*mask.png; export again"),
    "black mask": (save_picture(".mask.png", Image.new("L", (256, 256))), "leaves nothing of the face"),
    "small mask": (save_picture(".mask.png", Image.new("L", (64, 64))), "256×256 pixels of 8 bits, got 64×64"),
    "deep mask": (save_picture(".mask.png", Image.new("I;16", (256, 256))), "8 bits, got 256×256 in mode I;16"),
    "bomb": (save_picture(".mask.png", Image.new("1", (20_000, 20_000))), "can't be read as PNG|got 20000×20000"),
    "no PNG": (write_picture(".mask.png", b"GIF89a"), "can't be read as PNG"),
    "cut PNG": (write_picture(".mask.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "can't be read as PNG"),
    "large PNG": (write_picture(".mask.png", bytes(8_000_001)), "expected at most 8,000,000 bytes"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_what_cannot_be_taken_is_refused_in_one_line(
    project: Project, faces: list[StoredFace], folder: Path, kind: str
) -> None:
    spoil, line = SPOILED[kind]
    spoil(folder, faces[0].name)
    with pytest.raises(CountenanceError, match=line) as caught:
        changed(project, folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_too_many_faces_are_refused(
    project: Project, faces: list[StoredFace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MAX_FACES", 2)
    with pytest.raises(UsageError, match="expected at most 2 faces, got 3"):
        next(write_folder(project, "dana", faces, {}, tmp_path / "many"))
    assert not (tmp_path / "many").exists()


def test_a_mask_of_the_whole_face_hides_nothing() -> None:
    landmarks_xyz = mesh_at(128, 128)
    _, hull = picture_of(landmarks_xyz)
    assert hidden_by_hand(landmarks_xyz, hull) == pytest.approx(0, abs=0.01)
    assert hidden_by_hand(landmarks_xyz, np.zeros_like(hull)) == 1
