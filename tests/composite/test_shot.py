"""A shot's settings over time."""

import numpy as np
import pytest

from countenance.composite.shot import ShotConfig, ShotSettings

TIMES_S = np.linspace(0, 4, 41)
KEYED = {"likeness": ((1.0, 0.0), (2.0, 0.0), (3.0, 1.0)), "grow": ((0.0, 0.1), (4.0, 0.0))}


@pytest.mark.parametrize("who", ["all", "nobody", "kim, lee", "lee"])
@pytest.mark.parametrize(("likeness", "keys"), [(1.0, {}), (0.0, {}), (0.0, KEYED), (1.0, KEYED)])
def test_at_which_moments_a_face_is_replaced(
    who: str, likeness: float, keys: dict[str, tuple[tuple[float, float], ...]]
) -> None:
    settings = ShotSettings(base=ShotConfig(who=who, likeness=likeness), keys=keys)
    expected = [settings.at(float(time_s)).replaces("kim") for time_s in TIMES_S]
    assert settings.replaced("kim", TIMES_S).tolist() == expected
