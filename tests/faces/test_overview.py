"""What a scan found in one piece: as it is stored, and no longer than it is true."""

from dataclasses import replace

import numpy as np

from countenance.faces.overview import FIELDS, HEADER, packed, unpacked
from countenance.faces.store import (
    delete_track,
    drop_scan,
    open_scan,
    read_hidden,
    read_overview,
    store_hidden,
    store_overview,
)
from countenance.project import Project
from tests.support.made_up import QUALITY, mesh_at, stored_face

SHA256 = "ab" * 32


def test_faces_come_out_as_they_went_in() -> None:
    quality = replace(QUALITY, yaw_pitch_roll_deg=(31.5, -4.25, 3.0), visible_fraction=0.75, motion_blur=0.5)
    faces = [
        stored_face(mesh_at(100, 128), frame=7, track=2**40),
        stored_face(mesh_at(140, 128), frame=8, track=3, score=0.5, quality=quality),
    ]
    found = unpacked(packed(zip(faces, (False, True), strict=True)))
    assert found is not None
    one, other = found
    assert (one["frame"], one["track"], one["is_unsure"]) == (7, 2**40, False)
    names = ("frame", "track", "score", "yaw_deg", "pitch_deg", "visible_fraction", "motion_blur", "is_unsure")
    assert [other[name] for name in names] == [8, 3, 0.5, 31.5, -4.25, 0.75, 0.5, True]
    assert (other["size_px"], other["sharpness"]) == (np.float32(QUALITY.size_px), np.float32(QUALITY.sharpness))
    xy = faces[1].landmarks_xyz[:, :2]
    assert other["box_xyxy"].tolist() == [*xy.min(axis=0).tolist(), *xy.max(axis=0).tolist()]
    nothing = unpacked(packed([]))
    assert nothing is not None
    assert len(nothing) == 0
    # Stored with other fields.
    assert unpacked(bytes(8) + packed([])[8:]) is None


def test_it_goes_with_the_scan_and_when_a_track_turns_out_to_be_another_s(project: Project) -> None:
    def track_of_a_scan() -> int:
        scan, _ = open_scan(project, "kim", "generate", SHA256, "{}")
        (track,) = project.database.execute(
            "INSERT INTO tracks (scan, shot, distance, margin, num_embedded, embedding) VALUES (?, 0, 0, 0, 1, ?)"
            " RETURNING id",
            (scan.id, b""),
        ).fetchone()
        project.database.execute(
            "INSERT INTO faces (scan, track, frame, landmarks, score, quality) VALUES (?, ?, 0, ?, 1, '{}')",
            (scan.id, track, b""),
        )
        store_overview(project, "kim", SHA256, HEADER + np.zeros(1, FIELDS).tobytes())
        store_hidden(project, "kim", SHA256, np.full(3, 0.5, np.float16))
        return int(track)

    track = track_of_a_scan()
    assert read_overview(project, "lee", SHA256) is None
    assert read_overview(project, "kim", SHA256) is not None
    delete_track(project, track)
    assert read_overview(project, "kim", SHA256) is None
    assert read_hidden(project, "kim", SHA256) is not None
    track_of_a_scan()
    with project.transaction():
        drop_scan(project, "kim", SHA256, "generate")
    assert read_overview(project, "kim", SHA256) is None
    assert read_hidden(project, "kim", SHA256) is None
    rows = project.database.execute("SELECT (SELECT count(*) FROM overviews) + (SELECT count(*) FROM hidden_faces)")
    assert rows.fetchone() == (0,)
