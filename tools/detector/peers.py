"""Swaps of the test people by other systems' networks, rebuilt: methods that the detector has never seen.

    python -m tools.detector.peers --minutes 6

One encoder for all, as their makers' two people share one, and a decoder for each; so one training swaps everybody.
"""

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from countenance.bench.peers import (
    PEERS,
    RESOLUTION,
    DeepFaceLabDF,
    Faceswap,
    PeerDrawer,
    PeerName,
    warped_batch,
)
from countenance.bench.stacking import stack_faces, to_network_range
from countenance.vision.landmarks import FaceFinder
from countenance.vision.segment import Segmenter
from tools.detector.footage import default_folder, read_footage, rendered
from tools.detector.swaps import Plate, Tools, aligned_faces, composited, swap_path, write_frames

METHODS: tuple[PeerName, ...] = ("faceswap-original", "deepfacelab-df")
BATCH = 8
FASTER = 8
"""Times their makers' learning rate, with which minutes on a processor bring faces without features."""


class DrawerOf(PeerDrawer):
    """Draws one of many people."""

    def __init__(self, network: nn.Module, person: int) -> None:
        super().__init__(_For(network, person))


class _For(nn.Module):
    """A network that draws the same person whatever is asked."""

    def __init__(self, network: nn.Module, person: int) -> None:
        super().__init__()
        self.network, self.person = network, person

    def forward(self, rgb_bchw: Tensor, _person: int) -> tuple[Tensor, Tensor | None]:
        return self.network(rgb_bchw, self.person)  # type: ignore[no-any-return]


def widened(network: nn.Module, count: int) -> nn.Module:
    """With a decoder for each of many people."""
    if isinstance(network, Faceswap):
        network.decoders = nn.ModuleList(_fresh(network.decoders[0]) for _ in range(count))
    else:
        assert isinstance(network, DeepFaceLabDF)
        network.decoders = nn.ModuleList(_fresh(network.decoders[0]) for _ in range(count))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
        else:
            nn.init.zeros_(parameter)
    return network


def _fresh(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--footage", type=Path, default=default_folder())
    parser.add_argument("--swaps", type=Path, default=default_folder().with_name("swaps"))
    parser.add_argument("--minutes", type=float, default=8, help="processor time for each network")
    parser.add_argument("--people", type=int, default=6)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    tools = Tools(find=FaceFinder(), segmenter=Segmenter())
    people = [each for each in rendered(asked.footage) if each.is_for_tests][: asked.people]
    stacks = []
    for person in people:
        footage = read_footage(asked.footage, person.number)
        frames = np.concatenate([footage.stills, footage.clip[::2]])
        stacks.append(stack_faces((face for face, _ in aligned_faces(frames, tools)), RESOLUTION, asked.swaps))
    print([len(stack) for stack in stacks], flush=True)
    for name in METHODS:
        spec = PEERS[name]
        torch.manual_seed(1)
        random, rng = torch.Generator().manual_seed(1), np.random.default_rng(1)
        network = widened(spec.build(), len(people)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimiser = spec.optimise(network.parameters())
        for group in optimiser.param_groups:
            group["lr"] *= FASTER
        begun, step = time.process_time(), 0
        while time.process_time() - begun < 60 * asked.minutes:
            drawn = int(rng.integers(len(people)))
            faces = stacks[drawn]
            chosen = faces[torch.randint(len(faces), (BATCH,), generator=random)]
            batch = warped_batch(to_network_range(chosen), spec.warp, random)
            rgb, mask = network(batch.warped, drawn)
            loss = spec.loss(rgb, mask, batch)
            # Decoders of whoever isn't in the batch rest.
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            step += 1
            if step % 500 == 0:
                print(name, step, float(loss.detach()), flush=True)
        network.eval()
        for place, person in enumerate(people):
            real = swap_path(asked.swaps, person.number, "real")
            if not real.exists():
                continue
            with np.load(real) as data:
                plate = Plate(
                    frames=data["frames"],
                    meshes=[None if np.isnan(mesh).any() else mesh for mesh in data["meshes"]],
                )
            likeness = (place + 1) % len(people)
            frames = composited(plate, DrawerOf(network, likeness), tools)
            write_frames(
                swap_path(asked.swaps, person.number, name),
                frames=frames,
                likeness=np.array(people[likeness].number),
            )
            print(name, person.number, flush=True)


if __name__ == "__main__":
    _main()
