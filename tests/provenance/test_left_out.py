"""What a signature leaves out of a JPEG, by numbers that whoever made the file chose."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from countenance.provenance import credentials
from countenance.provenance.credentials import SLIPPED_IN


class Made:
    """A reader of a file that leaves this out."""

    def __init__(self, exclusion: dict[str, int]) -> None:
        self._exclusion = exclusion

    def crjson(self) -> str:
        active: dict[str, Any] = {
            "assertions": {"c2pa.hash.data": {"exclusions": [self._exclusion]}},
            "validationResults": {"failure": []},
        }
        return json.dumps({"manifests": [active]})


@pytest.mark.parametrize(
    "exclusion",
    [
        {"start": -9, "length": 9},
        {"start": 9, "length": -9},
        {"start": 2**70, "length": 9},
        {"length": 9},
        {"start": 9},
    ],
)
def test_what_cannot_be_left_out_does_not_hold(tmp_path: Path, exclusion: dict[str, int]) -> None:
    path = tmp_path / "picture.jpg"
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(path)
    document = credentials._crjson(Made(exclusion), path)
    failures = document["manifests"][0]["validationResults"]["failure"]
    holds = exclusion.get("length", 0) == 0
    assert [each["explanation"] for each in failures] == ([] if holds else [SLIPPED_IN])
