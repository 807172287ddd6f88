"""What a plate's scan found, face by face, in one array: hours of it are read at once, without the meshes."""

import hashlib
import struct
from collections.abc import Iterable

import numpy as np
from jaxtyping import Shaped

from countenance.faces.store import StoredFace
from countenance.geometry import box_around

FIELDS = np.dtype(
    [
        ("frame", "<i4"),
        ("track", "<i8"),
        ("score", "<f4"),
        ("yaw_deg", "<f4"),
        ("pitch_deg", "<f4"),
        ("visible_fraction", "<f4"),
        ("size_px", "<f4"),
        ("sharpness", "<f4"),
        ("motion_blur", "<f4"),
        ("box_xyxy", "<f4", (4,)),
        ("is_unsure", "?"),
    ]
)
"""Of each face, as `StoredFace` and `FaceQuality` have them; in the order of frames. `is_unsure`: nobody decided yet
whether it is the person's."""
HEADER = hashlib.sha256(repr(FIELDS.descr).encode()).digest()[:8]
"""Of what is stored: with other fields it is another, and what was stored before is made anew."""
_ROW = struct.Struct("<iq7f4f?")

Faces = Shaped[np.ndarray, " N"]
"""Of `FIELDS`."""


def packed(faces: Iterable[tuple[StoredFace, bool]]) -> bytes:
    """Faces in the order of frames, each with whether it is in doubt, as the database holds them."""
    rows = bytearray(HEADER)
    for face, is_unsure in faces:
        quality = face.quality
        yaw_deg, pitch_deg, _ = quality.yaw_pitch_roll_deg
        rows += _ROW.pack(
            face.frame,
            face.track,
            face.score,
            yaw_deg,
            pitch_deg,
            quality.visible_fraction,
            quality.size_px,
            quality.sharpness,
            quality.motion_blur,
            *box_around(face.landmarks_xyz[:, :2]).tolist(),
            is_unsure,
        )
    return bytes(rows)


def unpacked(content: bytes) -> Faces | None:
    """The array; None where it was stored with other fields."""
    return np.frombuffer(content, FIELDS, offset=len(HEADER)) if content.startswith(HEADER) else None
