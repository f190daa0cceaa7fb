"""Where a reward model's score head starts from: at random, or solved on the states as they are (docs/formats.md, "Reward model")."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from attune_gpu.errors import UnfitDataError
from attune_gpu.random_numbers import normal, permutation

HEAD_TENSOR = 2**31  # number of the tensor in the stream of initial draws: no model has so many
STRENGTHS = (1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
FEWEST_PROMPTS_TO_TRY, FOLDS, UNTRIED_STRENGTH = 10, 4, 0.03

# (chosen, rejected, weight), places among all states
Pairs = list[tuple[int, int, float]]


def random_head(seed: int, hidden: int, members: int) -> np.ndarray:
    """(members, hidden), normal with std 1 / sqrt(hidden + 1), as in arXiv 1909.08593."""
    return np.stack([normal(seed, HEAD_TENSOR + member, hidden, 1 / math.sqrt(hidden + 1)) for member in range(members)])


@dataclass(frozen=True)
class SolvedHead:
    head: np.ndarray  # (hidden) float32
    strength: float
    tried: list[dict]  # on prompts held out in turn, by strength; empty where nothing was tried


def solve_head(states: np.ndarray, prompts: list[tuple[int, int, Pairs]], seed: int, strengths=STRENGTHS) -> SolvedHead:
    """The least of sum_i w_i softplus(-(z_chosen - z_rejected) v) / sum_i w_i + strength / 2 |v|²; prompts are (from, to, pairs)."""
    prompts = [each for each in prompts if each[2]]
    if not prompts:
        raise UnfitDataError("No prompt has two responses of different rank. Rank more, or loosen the filter.")
    z, scales = _standardise(states.astype(np.float64), prompts)
    every = range(len(prompts))

    def solve(places, strength: float, start: np.ndarray) -> np.ndarray:
        return minimise(_objective(z, [pair for place in places for pair in prompts[place][2]], strength), start)

    descending, tried = sorted(strengths, reverse=True), []
    if len(descending) > 1 and len(prompts) >= FEWEST_PROMPTS_TO_TRY:
        tried = _try_strengths(z, prompts, descending, permutation(seed, 0, len(prompts)), solve)
        strength = min(tried, key=lambda outcome: outcome["loss"])["strength"]
    else:
        strength = descending[0] if len(descending) == 1 else UNTRIED_STRENGTH
    v = solve(every, strength, np.zeros(z.shape[1]))
    return SolvedHead((v / scales).astype(np.float32), strength, tried)


def _try_strengths(z: np.ndarray, prompts: list, descending: list[float], order: list[int], solve: Callable) -> list[dict]:
    """From the strongest on, each start at the last solution: they lie near each other."""
    outcomes = [{"strength": strength, "loss": 0.0, "accuracy": 0.0} for strength in descending]
    total = sum(weight for _, _, pairs in prompts for _, _, weight in pairs)
    for fold in range(FOLDS):
        out = [pair for i, place in enumerate(order) if i % FOLDS == fold for pair in prompts[place][2]]
        kept, v = [place for i, place in enumerate(order) if i % FOLDS != fold], np.zeros(z.shape[1])
        chosen, rejected, weights = _columns(out)
        for outcome in outcomes:
            v = solve(kept, outcome["strength"], v)
            margins = (z[chosen] - z[rejected]) @ v
            outcome["loss"] += float((weights * np.logaddexp(0, -margins)).sum()) / total
            outcome["accuracy"] += float((weights * ((margins > 0) + 0.5 * (margins == 0))).sum()) / total
    return outcomes


def _columns(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chosen, rejected, weights = zip(*pairs, strict=True) if pairs else ((), (), ())
    return np.array(chosen, dtype=int), np.array(rejected, dtype=int), np.array(weights, dtype=np.float64)


def _standardise(states: np.ndarray, prompts: list) -> tuple[np.ndarray, np.ndarray]:
    z, squares, rows = np.zeros_like(states), np.zeros(states.shape[1]), 0
    for start, end, _ in prompts:
        z[start:end] = states[start:end] - states[start:end].mean(0)
        squares += (z[start:end] ** 2).sum(0)
        rows += end - start
    deviations = np.sqrt(squares / rows)
    largest = deviations.max()
    if not (largest > 0 and math.isfinite(largest)):
        raise UnfitDataError(f"The states of all responses to a prompt are {'the same' if largest == 0 else 'not finite'}.")
    # A number that hardly ever differs would be blown up to noise.
    scales = np.maximum(deviations, 1e-6 * largest) * math.sqrt(states.shape[1])
    return z / scales, scales


def _objective(z: np.ndarray, pairs: Pairs, strength: float):
    chosen, rejected, weights = _columns(pairs)
    differences, shares = z[chosen] - z[rejected], weights / weights.sum()

    def at(v: np.ndarray) -> tuple[float, np.ndarray]:
        margins = differences @ v
        loss = shares @ np.logaddexp(0, -margins) + strength / 2 * v @ v
        slopes = -shares * np.exp(-np.logaddexp(0, margins))  # dL/d margin
        return float(loss), strength * v + slopes @ differences

    return at


def minimise(objective, start: np.ndarray, tolerance: float = 1e-8, most_rounds: int = 2000, memory: int = 20) -> np.ndarray:
    """L-BFGS (Nocedal & Wright 2006, algorithm 7.5) of a smooth, strictly convex function."""
    x, (value, gradient), changes = start, objective(start), []
    for _ in range(most_rounds):
        if np.abs(gradient).max() <= tolerance:
            return x
        direction = _descent(gradient, changes)
        slope, length = gradient @ direction, 1.0
        while True:
            after, (next_value, next_gradient) = x + length * direction, objective(x + length * direction)
            if next_value <= value + 1e-4 * length * slope:
                break
            length /= 2
            if length <= 1e-12:  # rounding is all that is left
                return _settled(x, gradient, tolerance)
        step, turn = after - x, next_gradient - gradient
        if step @ turn > 1e-14 * (turn @ turn):
            changes = [*changes, (step, turn, step @ turn)][-memory:]
        x, value, gradient = after, next_value, next_gradient
    return _settled(x, gradient, tolerance)


def _descent(gradient: np.ndarray, changes: list) -> np.ndarray:
    """-H g, H the inverse of the curvature as the changes tell it (algorithm 7.4)."""
    direction, shares = -gradient, []
    for step, turn, curvature in reversed(changes):
        shares.append(step @ direction / curvature)
        direction = direction - shares[-1] * turn
    if changes:
        _, turn, curvature = changes[-1]
        direction = direction * (curvature / (turn @ turn))
    for (step, turn, curvature), share in zip(changes, reversed(shares), strict=True):
        direction = direction + (share - turn @ direction / curvature) * step
    return direction


def _settled(x: np.ndarray, gradient: np.ndarray, tolerance: float) -> np.ndarray:
    if not np.abs(gradient).max() <= math.sqrt(tolerance):
        raise UnfitDataError(f"The score head could not be solved: a slope of {np.abs(gradient).max():.2g} is left. Set headStart to random.")
    return x
