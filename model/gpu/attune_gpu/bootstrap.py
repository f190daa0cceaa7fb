"""Intervals that resample whole items (model/eval/bootstrap.ts): BCa, by the draws of docs/formats.md."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from attune_gpu.random_numbers import uniform

STREAM = 5
FEWEST_UNITS, RESAMPLES, LEVEL = 5, 2000, 0.95

# Of how often each unit was drawn; None where it is undefined.
Statistic = Callable[[np.ndarray], float | None]


def bootstrap_interval(units: int, statistic: Statistic, seed: int) -> tuple[float | None, float | None]:
    """(low, high) of 95 %, by the BCa method (Efron 1987); None where there is too little to tell."""
    estimate = statistic(np.ones(units))
    if units < FEWEST_UNITS or estimate is None:
        return None, None
    replicates = [value for weights in draw_weights(seed, units) if (value := statistic(weights)) is not None]
    if len(replicates) < RESAMPLES / 2:
        return None, None
    left_out = (statistic(np.where(np.arange(units) == left, 0.0, 1.0)) for left in range(units))
    return bca_interval(estimate, replicates, [value for value in left_out if value is not None])


def draw_weights(seed: int, units: int) -> np.ndarray:
    """(resamples, units) how often each unit is drawn."""
    places = np.floor(uniform(seed, [STREAM, np.arange(RESAMPLES)[:, None], np.arange(units)[None], 0]) * units).astype(int)
    return np.stack([np.bincount(row, minlength=units) for row in places]).astype(np.float64)


def bca_interval(estimate: float, replicates: list[float], jackknife: list[float]) -> tuple[float, float]:
    """The percentile interval, stretched to the estimate, where all replicates lie on one side of it."""
    ordered, normal = np.sort(replicates), NormalDist()
    below = ((ordered < estimate).sum() + (ordered <= estimate).sum()) / (2 * len(ordered))
    if not 0 < below < 1:
        low, high = (float(np.quantile(ordered, end)) for end in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return min(low, estimate), max(high, estimate)
    bias, acceleration = normal.inv_cdf(below), _acceleration(jackknife)

    def end(probability: float) -> float:
        z = bias + normal.inv_cdf(probability)
        return float(np.quantile(ordered, normal.cdf(bias + z / (1 - acceleration * z))))

    return end((1 - LEVEL) / 2), end((1 + LEVEL) / 2)


def _acceleration(jackknife: list[float]) -> float:
    deviations = np.mean(jackknife) - np.array(jackknife)
    scale = 6 * math.pow((deviations**2).sum(), 1.5)
    return float((deviations**3).sum() / scale) if scale else 0.0
