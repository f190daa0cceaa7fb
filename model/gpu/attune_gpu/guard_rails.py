"""What pauses a run of PPO: each rule's fact, in a sentence, with the remedy (model/train/ppo/guard-rails.ts). Decides by metrics alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from attune_gpu.errors import GuardRailError

# Bounds of numerics, not of learning. In bf16 batches of other shapes round apart; nothing here was measured on a GPU yet.
FIRST_RATIO_LIMIT = {"fp32": 1e-3, "bf16": 0.1}
SAMPLER_GAP_LIMIT = {"fp32": 1e-3, "bf16": math.inf}  # in bf16 the loss carries importance weights instead
LEAST_MEASUREMENTS = 4  # two before and two after


@dataclass
class History:
    first: dict | None  # metrics of the first iteration; None before it
    scores: list[float]  # of the iterations so far, the newest last
    judged: list[float | None]  # of what watches, beside them
    accepted: dict[str, float]  # how bad a rule was when a person went on: it speaks again at a quarter more


# Larger is worse; compared with what was accepted.
Finding = tuple[float, str] | None


def broken_guard(now: dict, history: History, guards: dict, precision: str) -> tuple[str, float, GuardRailError] | None:
    """The first rule that is broken and not accepted: its name, how bad it is, and what is said."""
    for rule, find in RULES.items():
        finding = find(now, history, guards, precision)
        if finding is not None and finding[0] > 1.25 * history.accepted.get(rule, 0.0):
            return rule, finding[0], GuardRailError(rule, finding[1])
    return None


def _first_ratio(now: dict, history: History, guards: dict, precision: str) -> Finding:
    gap, limit = now["firstRatioGap"], FIRST_RATIO_LIMIT[precision]
    return None if gap <= limit else (gap, f"Before its first update the policy differs from itself: the largest ratio is off by {gap:.1e}, above {limit}. Something computes two ways; please report it.")


def _sampler_gap(now: dict, history: History, guards: dict, precision: str) -> Finding:
    gap, limit = now["samplerGapMax"], SAMPLER_GAP_LIMIT[precision]
    if gap <= limit:
        return None
    return gap, (
        f"What samples and what learns do not compute the same policy: the log-probability of a sampled token differs by {gap:.1e} nats between "
        f"them, above {limit}. The policy would learn from responses that are not its own; please report it."
    )


def _kl_budget(now: dict, history: History, guards: dict, precision: str) -> Finding:
    budget, kl = guards["klBudget"], now["klK3"]
    if budget is None or kl <= budget:
        return None
    return kl, (
        f"Responses are {kl:.1f} nats from the reference on average, above the budget of {budget}: the policy may be using weaknesses of the reward "
        "model. Compare the score with the held-out one; start again with a higher beta, or a lower lr."
    )


def _entropy_floor(now: dict, history: History, guards: dict, precision: str) -> Finding:
    floor, first = guards["entropyFloor"], history.first
    if floor is None or first is None or now["entropy"] >= floor * first["entropy"]:
        return None
    return first["entropy"] / max(now["entropy"], 1e-9), (
        f"The policy hardly varies any more: {now['entropy']:.2f} nats of entropy a token, {first['entropy']:.2f} at first. It has settled on a few "
        "answers. Start again with a higher beta, or a lower lr."
    )


def _length_drift(now: dict, history: History, guards: dict, precision: str) -> Finding:
    limit, first = guards["lengthDrift"], history.first
    if limit is None or first is None:
        return None
    factor = now["responseTokens"] / first["responseTokens"]
    drift = max(factor, 1 / factor)
    if drift <= limit:
        return None
    return drift, (
        f"Responses have become {'longer' if factor > 1 else 'shorter'}: {now['responseTokens']:.0f} tokens, {first['responseTokens']:.0f} at first. A "
        "reward model often likes a length rather than what is said. Look at the reward model's length correlation, and read some episodes."
    )


def _ended_floor(now: dict, history: History, guards: dict, precision: str) -> Finding:
    floor, first = guards["endedFloor"], history.first
    if floor is None or first is None or now["endedShare"] >= floor * first["endedShare"]:
        return None
    return first["endedShare"] / max(now["endedShare"], 1e-9), (
        f"Only {now['endedShare']:.0%} of responses end by themselves, {first['endedShare']:.0%} at first. Give them more responseTokens, or let "
        "unfinishedScore cost more."
    )


def _repetition(now: dict, history: History, guards: dict, precision: str) -> Finding:
    limit, first = guards["repetition"], history.first
    if limit is None or first is None or now["repetition"] <= max(limit, first["repetition"]):
        return None
    return now["repetition"], (
        f"Responses repeat themselves: {now['repetition']:.0%} of their word triples were there before, {first['repetition']:.0%} at first. The reward "
        "model does not mind; add a part of rules with noRepetition, or rank such responses."
    )


def _flat_judge(now: dict, history: History, guards: dict, precision: str) -> Finding:
    least = guards["flatJudge"]
    asked = [at for at, value in enumerate(history.judged) if value is not None]
    if least is None or len(history.judged) < least or len(asked) < LEAST_MEASUREMENTS:
        return None
    length = max(least, len(history.judged) - asked[-LEAST_MEASUREMENTS])
    score = rise(history.scores[-length:])
    judge = rise([value for value in history.judged[-length:] if value is not None])
    # In standard errors: a rise beyond doubt, beside none.
    if score[2] < 3 or judge[2] > 0:
        return None
    return score[2], (
        f"Over {length} iterations the score rose by {score[1]:.2f} while what watches it went from {judge[0]:.2f} to {judge[0] + judge[1]:.2f}: the "
        "policy gets better at the reward model, not at what it stands for. Collect rankings of this policy's responses and train a new reward model."
    )


def rise(values: list[float]) -> tuple[float, float, float]:
    """From the first half to the second: where it came from, the difference of means, and that in standard errors."""
    halves = values[: len(values) // 2], values[len(values) // 2 :]
    means = [sum(half) / max(1, len(half)) for half in halves]
    error = sum(sum((v - m) ** 2 for v in half) / max(1, len(half) - 1) / max(1, len(half)) for half, m in zip(halves, means, strict=True))
    return means[0], means[1] - means[0], (means[1] - means[0]) / math.sqrt(error + 1e-12)


RULES: dict[str, Callable[[dict, History, dict, str], Finding]] = {
    "firstRatio": _first_ratio,
    "samplerGap": _sampler_gap,
    "klBudget": _kl_budget,
    "entropyFloor": _entropy_floor,
    "lengthDrift": _length_drift,
    "endedFloor": _ended_floor,
    "repetition": _repetition,
    "flatJudge": _flat_judge,
}
