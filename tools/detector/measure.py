"""Figures of the detector."""

from collections.abc import Sequence

from scipy.stats import rankdata


def area_under_curve(untouched: Sequence[float], altered: Sequence[float]) -> float:
    """How likely an altered one scores higher than an untouched one; ties count half."""
    ranks = rankdata([*untouched, *altered])
    count = len(altered)
    above = ranks[len(untouched) :].sum() - count * (count + 1) / 2
    return float(above / (count * len(untouched)))
