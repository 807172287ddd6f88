"""What the network makes of a clip's faces."""

import numpy as np
import torch

from countenance.forensics.network import DetectorNet, as_input
from tools.detector.crops import Crops
from tools.detector.footage import SPAN


def next_places(frame: np.ndarray) -> np.ndarray:
    """For each face the place of that in the next frame of its span; its own where there is none."""
    places = np.arange(len(frame))
    followed = (np.diff(frame, append=-9) == 1) & (frame % SPAN != SPAN - 1)
    return np.where(followed, places + 1, places)


@torch.inference_mode()
def evidence_of(network: DetectorNet, crops: Crops, every: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Each face's evidence, and what the faces look like to the network."""
    places = np.arange(0, len(crops.frame), every)
    following = next_places(crops.frame)[places]
    rgb, motion = as_input(
        torch.from_numpy(crops.rgb[places]),
        torch.from_numpy(crops.rgb[following]),
        torch.from_numpy((following != places).astype(np.float32)),
    )
    maps, looks = network(*(part.contiguous(memory_format=torch.channels_last) for part in (rgb, motion)))
    return maps.mean(dim=(1, 2)).numpy(), looks.numpy()
