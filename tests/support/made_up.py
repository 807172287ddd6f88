"""Faces in a project's database that no clip was looked at for."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from countenance.demo import data_folder
from countenance.faces.store import StoredFace, stored_faces
from countenance.geometry import transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.project import Project, now
from countenance.types import FaceQuality, Rejection
from countenance.vision.align import canonical_mesh, cut, frame_to_crop, head_pose
from countenance.vision.crops import CROP_SIZE, encode_crop, encode_mask
from countenance.vision.mask import face_mask

CLIP = "ab" * 32
QUALITY = FaceQuality(
    size_px=120.0,
    sharpness=60.0,
    motion_blur=0.1,
    brightness=110.0,
    clipped_fraction=0.0,
    light_xy=(0.1, -0.1),
    yaw_pitch_roll_deg=(0.0, 0.0, 0.0),
    visible_fraction=1.0,
    occluded_fraction=0.0,
    mouth_open=0.05,
    eyes_open=0.3,
)

"""Of a face about which nothing decides."""
GOOD = FaceQuality(
    size_px=200.0,
    sharpness=200.0,
    motion_blur=0.1,
    brightness=120.0,
    clipped_fraction=0.0,
    light_xy=(0.0, 0.0),
    yaw_pitch_roll_deg=(10.0, 5.0, 0.0),
    visible_fraction=1.0,
    occluded_fraction=0.0,
    mouth_open=0.1,
    eyes_open=0.3,
)
"""Of a face against which nothing speaks."""


def mesh_at(x: float, y: float, unit_px: float = 40.0) -> Float32[np.ndarray, "468 3"]:
    """A head that looks ahead."""
    return np.asarray(canonical_mesh() * unit_px + np.array([x, y, 0]), np.float32)


def stored_face(landmarks_xyz: Float32[np.ndarray, "468 3"], **changes: Any) -> StoredFace:
    """A sure face in the first frame of a plate, looked at by nobody."""
    face = StoredFace(
        id=1,
        clip_sha256=CLIP,
        frame=0,
        track=1,
        shot=0,
        landmarks_xyz=landmarks_xyz,
        score=1.0,
        quality=QUALITY,
        distance=0.2,
        margin=0.3,
        mask_origin=None,
        has_crop=False,
        rejections=(),
    )
    return replace(face, **changes)


def add_track(
    project: Project,
    frames: Sequence[int],
    *,
    x: float = 128.0,
    distance: float = 0.2,
    margin: float = 0.3,
    rejections: tuple[Rejection, ...] = (),
    qualities: Sequence[FaceQuality] = (),
    with_crops: bool = True,
    embedding: Float32[np.ndarray, "128"] | None = None,
    person: str = "dana",
    sha256: str = CLIP,
    clip: str = "walk.mp4",
) -> list[StoredFace]:
    """A track of one face that stands still, and how it comes out of the database."""
    database = project.database
    database.execute(
        "INSERT OR IGNORE INTO clips (person, sha256, path, num_frames, description, collected_at)"
        " VALUES (?, ?, ?, 100, ?, ?)",
        (person, sha256, f"footage/{clip}", json.dumps({"duration_s": 4.0}), now()),
    )
    database.execute(
        "INSERT OR IGNORE INTO scans (person, sha256, purpose, settings, state)"
        " VALUES (?, ?, 'prepare', '{}', 'found')",
        (person, sha256),
    )
    (scan,) = database.execute("SELECT id FROM scans WHERE person = ? AND sha256 = ?", (person, sha256)).fetchone()
    (track,) = database.execute(
        "INSERT INTO tracks (scan, shot, distance, margin, num_embedded, embedding) VALUES (?, 0, ?, ?, 5, ?)"
        " RETURNING id",
        (scan, distance, margin, (np.zeros(128, np.float32) if embedding is None else embedding).tobytes()),
    ).fetchone()
    landmarks_xyz = mesh_at(x, 128)
    crop, mask = picture_of(landmarks_xyz)
    for position, frame in enumerate(frames):
        quality = qualities[position] if qualities else replace(QUALITY, size_px=100.0 + frame)
        database.execute(
            "INSERT INTO faces (scan, track, frame, landmarks, score, quality, crop, mask, mask_origin, rejections)"
            " VALUES (?, ?, ?, ?, 0.99, ?, ?, ?, ?, ?)",
            (
                scan,
                track,
                frame,
                landmarks_xyz.tobytes(),
                json.dumps(asdict(quality)),
                encode_crop(crop) if with_crops else None,
                encode_mask(mask) if with_crops else None,
                "hull" if with_crops else None,
                json.dumps(rejections),
            ),
        )
    return [face for face in stored_faces(project, person) if face.track == track]


def picture_of(
    landmarks_xyz: Float32[np.ndarray, "468 3"],
) -> tuple[UInt8[np.ndarray, "S S 3"], Float32[np.ndarray, "S S"]]:
    """What a demo actor's clip shows there, and the mesh's hull."""
    (frame,) = islice(read_frames(probe(data_folder() / "zuri_training.mp4")), 1)
    pose = head_pose(landmarks_xyz)
    hull_xy = transform_points(frame_to_crop(pose, CROP_SIZE), landmarks_xyz[:, :2])
    return cut(frame.rgb, pose, CROP_SIZE), face_mask(hull_xy, (CROP_SIZE, CROP_SIZE))


def placed_head(yaw_deg: float, unit_px: float, size: int) -> Tensor:
    """The canonical head, turned, in the middle of an image: [1 468 3] in its pixels."""
    turn = np.deg2rad(yaw_deg)
    c, s = np.cos(turn), np.sin(turn)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    points = canonical_mesh() @ rotation.T * unit_px + np.array([(size - 1) / 2, (size - 1) / 2, 0])
    return torch.from_numpy(points.astype(np.float32))[None]
