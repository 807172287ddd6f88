"""Measure speed and memory on this machine, one thread each, and print a table.

    make bench

Figures of one run can be compared with each other; those of different machines or busy hours can't.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from countenance.composite.swap import PlacedFace, swap_faces
from countenance.demo import data_folder
from countenance.faces.align import cut, frame_to_crop, head_pose
from countenance.faces.identity import Recogniser, cut_chip, embed
from countenance.faces.landmarks import FaceFinder
from countenance.faces.mask import face_mask
from countenance.geometry import transform_points
from countenance.media.probe import probe
from countenance.media.reader import read_frames
from countenance.model.batches import draw_batch, stack_faces
from countenance.model.config import TrainConfig
from countenance.model.draw import LikenessDrawer
from countenance.model.loop import train_step
from countenance.model.state import begin
from countenance.types import AlignedFace

CPU = torch.device("cpu")


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Processor time of one call, the first left out."""
    work()
    begun = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - begun) / repeats


def main() -> None:
    torch.set_num_threads(1)
    frames = list(read_frames(probe(data_folder() / "performance.mp4")))[:24]
    find_faces, recogniser = FaceFinder(), Recogniser()
    faces = [find_faces(frame.rgb)[0] for frame in frames]
    aligned = []
    for frame, face in zip(frames, faces, strict=True):
        pose = head_pose(face.landmarks_xyz)
        to_crop = frame_to_crop(pose, 256)
        mask = face_mask(transform_points(to_crop, face.landmarks_xyz[:, :2]), (256, 256))
        aligned.append(AlignedFace(rgb=cut(frame.rgb, pose, 256), mask=mask, frame_to_crop=to_crop))

    rows: list[tuple[str, float, str]] = []
    for config in (
        TrainConfig(resolution=64, batch_size=8, images=1_000_000),
        TrainConfig(resolution=64, batch_size=16, images=1_000_000),
        TrainConfig(resolution=128, batch_size=16, images=1_000_000),
    ):
        resolution, batch_size = config.resolution, config.batch_size
        people = [stack_faces(aligned, resolution)] * 2
        # From late in a training, so that the discriminator is at work too.
        state = begin(config, 2, CPU)
        state.images_seen = 900_000

        def step(config: TrainConfig = config, people: list[torch.Tensor] = people) -> None:
            train_step(state, draw_batch(people, config.batch_size, config.resolution, state.random, CPU), config)  # noqa: B023

        what = f"training, {resolution} px, batch {batch_size}, discriminator on"
        rows.append((what, batch_size / cpu_seconds(step, 12), "images per CPU-second"))
        draw_face = LikenessDrawer(state.generator.eval(), resolution=resolution, likeness=0, device=CPU)
        placed = {
            f.index: [PlacedFace(track=0, landmarks_xyz=face.landmarks_xyz)]
            for f, face in zip(frames, faces, strict=True)
        }

        def swap(draw: LikenessDrawer = draw_face) -> None:
            list(swap_faces(frames, placed, draw))  # noqa: B023

        if batch_size == 16:
            rows.append(
                (
                    f"swapping a face, {resolution} px, 256 px frames",
                    len(frames) / cpu_seconds(swap, 1),
                    "frames per CPU-second",
                )
            )
    rows.append(
        (
            "finding a face and its mesh, 256 px frames",
            1 / cpu_seconds(lambda: find_faces(frames[0].rgb), 50),
            "frames per CPU-second",
        )
    )
    chips = [cut_chip(frames[0].rgb, faces[0].landmarks_xyz[:, :2])] * 8
    rows.append(("recognising a face", 8 / cpu_seconds(lambda: embed(recogniser, chips), 5), "faces per CPU-second"))
    begun = time.monotonic()
    for _ in range(5):
        subprocess.run([sys.executable, "-m", "countenance", "train", "--help"], check=True, capture_output=True)
    rows.append(("`countenance train --help`", (time.monotonic() - begun) / 5, "seconds"))
    rows.append(("peak memory of this benchmark", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB"))
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, one thread\n")
    for what, value, unit in rows:
        print(f"{what:58}{value:9.2f} {unit}")


if __name__ == "__main__":
    main()
