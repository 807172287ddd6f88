"""Make `weights/canonical_mesh.npy`: the mean mesh of the synthetic actors, facing the camera.

Faces of the training clips that are turned by less than 25° are brought onto their mean (generalised Procrustes).
It is then turned so that the clips' known poses come out right on average.

    .venv/bin/python tools/make_canonical_mesh.py
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.geometry import similarity_between
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.vision.align import angles_of
from countenance.vision.landmarks import FaceFinder

PACKAGE = Path(__file__).parents[1] / "src" / "countenance"
CLIPS = ("kofi_training", "zuri_training", "mira_training")
NOSE_BASE = 2
Mesh = NDArray[np.float64]


def centred(mesh: Mesh) -> Mesh:
    """Move the centre to zero and make the root mean square distance from it one."""
    mesh = mesh - mesh.mean(axis=0)
    return np.asarray(mesh / np.sqrt((mesh**2).sum(axis=1).mean()))


def mean_mesh(meshes: list[Mesh]) -> Mesh:
    """Generalised Procrustes; after some rounds only points above the nose's base decide the fit."""
    mean, rigid = centred(meshes[0]), np.ones(len(meshes[0]), bool)
    for round_number in range(10):
        moved = []
        for mesh in meshes:
            scale, rotation, shift = similarity_between(mesh[rigid], mean[rigid])
            moved.append(scale * mesh @ rotation.T + shift)
        mean = centred(np.mean(moved, axis=0))
        if round_number == 4:
            rigid = mean[:, 1] < mean[NOSE_BASE, 1]
    return mean


def turn(*, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Mesh:
    """The rotation whose angles are these, in radians."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z)


def main() -> None:
    find_faces = FaceFinder()
    known = json.loads((PACKAGE / "demo/data/poses.json").read_text())["clips"]
    meshes, poses = [], []
    for clip in CLIPS:
        for frame, pose in zip(
            read_frames(probe(PACKAGE / f"demo/data/{clip}.mp4")), known[clip]["yaw_pitch_roll_deg"], strict=True
        ):
            faces = find_faces(frame.rgb)
            if faces and abs(pose[0]) < 25:
                meshes.append(faces[0].landmarks_xyz.astype(np.float64))
                poses.append(pose)
    order = int(np.abs(poses).sum(axis=1).argmin())
    mesh = mean_mesh([meshes[order], *meshes])

    def pose_error_deg(candidate: Mesh) -> NDArray[np.float64]:
        found = [angles_of(similarity_between(candidate, mesh)[1]) for mesh in meshes]
        return np.asarray(np.median(np.array(found) - np.array(poses), axis=0))

    for _ in range(10):
        yaw, pitch, roll = np.deg2rad(-pose_error_deg(mesh))
        mesh = mesh @ turn(yaw=yaw, pitch=pitch, roll=roll)
    np.save(PACKAGE / "weights/canonical_mesh.npy", mesh.astype(np.float32))
    print(f"{len(meshes)} faces; median error of yaw, pitch, roll: {pose_error_deg(mesh).round(2)}°")


if __name__ == "__main__":
    main()
