"""Make `actors/data/landmarks.npz`: which places of the head's skin stand for the mesh's 468 points.

For many actors, poses and expressions each point gets the place that lies nearest to where the mesh finder sees it, on
average and alike on both sides. The corners of eyes and mouth are the model's own vertices instead: the ends of the
rims of lids and lips. Held-out actors show how well it fits.

    .venv/bin/python tools/make_landmarks.py
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from countenance.actors.actor import draw_actor
from countenance.actors.caster import Caster
from countenance.actors.extra import spatial
from countenance.actors.figure import build_figure, pose_figure
from countenance.actors.head import load_head, sample_map
from countenance.actors.landmarks import landmark_roots
from countenance.actors.performance import draw_performance
from countenance.actors.scene import Camera, Lamp, Light
from countenance.geometry import similarity_between
from countenance.vision.landmarks import FaceFinder

OUTPUT = Path(__file__).parents[1] / "src/countenance/actors/data/landmarks.npz"
SIZE = 256
FRAMES = 5
LEARNED, HELD_OUT = range(1000, 1048), range(2000, 2020)
LIGHT = Light(
    environment="studio",
    turn_deg=0.0,
    strength=0.9,
    lamps=(Lamp(azimuth_deg=-25.0, elevation_deg=30.0, power_w=6.0, size_m=0.5, rgb=(1.0, 1.0, 1.0)),),
)
CAMERA = Camera(frame_m=0.3, distance_m=1.2)
EYE_CORNERS = {33: ("right", "outer"), 133: ("right", "inner"), 362: ("left", "inner"), 263: ("left", "outer")}
MOUTH_CORNERS = {61: "right", 291: "left"}
REACH_M = 0.03
Array = NDArray[np.float64]


def seen(actors: range) -> tuple[Array, Array, Array]:
    """The mesh finder's points [N 468 2], the skin's [N V 2], both as fractions of the eyes' distance; and yaw [N]."""
    find_faces, found, skin, yaw = FaceFinder(), [], [], []
    for seed in actors:
        figure = build_figure(draw_actor(seed))
        caster = Caster(figure)
        performance = draw_performance(seed, 240)
        wanted = np.flatnonzero(np.abs(performance.yaw_pitch_roll_deg[:, 0]) < 35)
        for frame in wanted[:: max(1, len(wanted) // FRAMES)][:FRAMES]:
            posed = pose_figure(figure, performance, int(frame))
            faces = find_faces(caster.draw(posed, CAMERA, LIGHT, SIZE).rgb)
            if not faces:
                continue
            corners = corner_vertices()
            wide = np.linalg.norm(posed.skin[corners[33]] - posed.skin[corners[263]])
            pixels = wide * CAMERA.focal * SIZE / CAMERA.distance_m
            found.append(faces[0].landmarks_xyz[:, :2] / pixels)
            skin.append(CAMERA.project(posed.skin, SIZE)[0] / pixels)
            yaw.append(performance.yaw_pitch_roll_deg[frame, 0])
    return np.array(found, np.float64), np.array(skin), np.array(yaw)


def corner_vertices() -> dict[int, int]:
    """Vertices of the template at the corners of lids and lips."""
    head = load_head()
    skin = np.unique(head.skin_faces)

    def at_points(name: str) -> Array:
        values = np.zeros(len(head.points))
        values[head.skin_faces.ravel()] = sample_map(head.maps[name], head.skin_uv).ravel()  # type: ignore[index]
        return values

    rim = skin[(at_points("lips")[skin] > 0.4) & (at_points("inside_mouth")[skin] < 0.5)]
    corners = {}
    for number, side in MOUTH_CORNERS.items():
        sign = 1 if side == "left" else -1
        corners[number] = int(rim[(sign * head.points[rim][:, 0]).argmax()])
    for number, (side, end) in EYE_CORNERS.items():
        row = 0 if side == "left" else 2
        roots = np.unique(head.lash_pairs[row : row + 2, :, 0])
        away = np.abs(head.points[roots][:, 0])
        tip = head.points[roots[away.argmax() if end == "outer" else away.argmin()]]
        corners[number] = int(skin[np.linalg.norm(head.points[skin] - tip, axis=1).argmin()])
    return corners


def first_guess(template: Array) -> Array:
    """The canonical mesh laid over the template by the corners of eyes and mouth, metres."""
    mesh = np.load(OUTPUT.parents[2] / "weights/canonical_mesh.npy").astype(np.float64) * [1, -1, -1]
    corners = corner_vertices()
    scale, turn, shift = similarity_between(mesh[list(corners)], template[list(corners.values())])
    return np.asarray(scale * mesh @ turn.T + shift)


def main() -> None:
    head = load_head()
    mesh = head.skin_levels[1]
    template = mesh.matrix @ head.points
    used = np.unique(mesh.faces)
    found, skin, _ = seen(LEARNED)
    guess, tree = first_guess(template), spatial().cKDTree(template)
    canonical = np.load(OUTPUT.parents[2] / "weights/canonical_mesh.npy")
    partner = spatial().cKDTree(canonical).query(canonical * [-1, 1, 1])[1]
    mirrored = tree.query(template * [-1, 1, 1])[1]
    u, v = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 6), np.linspace(0, 1, 6)))
    grid = np.stack([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v], axis=1)
    quads_at = [[] for _ in template]  # type: list[list[int]]
    for number, quad in enumerate(mesh.faces):
        for vertex in quad:
            quads_at[vertex].append(number)
    corners, weights = np.zeros((468, 4), np.int32), np.zeros((468, 4), np.float32)

    def error(point: int, places: Array, other_places: Array) -> Array:
        """Of candidate places [N C 2] and their mirrored ones, with the point's partner."""
        own = np.linalg.norm(places - found[:, point, None], axis=2).mean(axis=0)
        return np.asarray(own + np.linalg.norm(other_places - found[:, partner[point], None], axis=2).mean(axis=0))

    near_used = spatial().cKDTree(template[used])
    for point in range(468):
        near = used[near_used.query_ball_point(guess[point], REACH_M)]
        if len(near) == 0:
            near = used[near_used.query(guess[point], 50)[1]]
        best = near[error(point, skin[:, near], skin[:, mirrored[near]]).argmin()]
        quads = mesh.faces[quads_at[best]]
        places = np.einsum("gk,nqkc->nqgc", grid, skin[:, quads]).reshape(len(skin), -1, 2)
        others = np.einsum("gk,nqkc->nqgc", grid, skin[:, mirrored[quads]]).reshape(len(skin), -1, 2)
        chosen = int(error(point, places, others).argmin())
        corners[point], weights[point] = quads[chosen // len(grid)], grid[chosen % len(grid)]
    for number, vertex in corner_vertices().items():
        corners[number], weights[number] = vertex, [1, 0, 0, 0]
    np.savez_compressed(OUTPUT, corners=corners, weights=weights)

    landmark_roots.cache_clear()
    roots = landmark_roots()
    found, skin, yaw = seen(HELD_OUT)
    error_pct = np.array([np.linalg.norm(roots.on(s) - f, axis=1) * 100 for s, f in zip(skin, found, strict=True)])
    by_frame, by_point = error_pct.mean(axis=1), error_pct.mean(axis=0)
    print(
        f"{len(found)} held-out frames: {by_frame.mean():.2f}% of the eyes' outer distance on average, "
        f"95% of frames below {np.percentile(by_frame, 95):.2f}%"
    )
    for low, high in ((0, 12), (12, 24), (24, 36)):
        of_turn = by_frame[(np.abs(yaw) >= low) & (np.abs(yaw) < high)]
        print(f"turned by {low}–{high}°: {of_turn.mean():.2f}% in {len(of_turn)} frames")
    print("largest:", [(int(i), round(float(by_point[i]), 1)) for i in np.argsort(-by_point)[:12]])
    print("corners:", {i: round(float(by_point[i]), 1) for i in (*EYE_CORNERS, *MOUTH_CORNERS)})


if __name__ == "__main__":
    main()
