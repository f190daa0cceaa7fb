"""One iteration of PPO: responses, their scores, what the models say of them, and the updates (model/train/ppo/iteration.ts)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from attune_gpu.distributed import gathered, together
from attune_gpu.generation import Generator
from attune_gpu.gold import repetition_of
from attune_gpu.groups import Group
from attune_gpu.ppo_learners import Outcome, PolicyLearner, Targets, ValueLearner
from attune_gpu.ppo_math import Episode, credit_of, fit_values, generalized_advantages, groups_of, token_rewards, whiten
from attune_gpu.prompts import Prompt
from attune_gpu.random_numbers import permutation
from attune_gpu.score_parts import ScoreParts

FIRST_UPDATE_EPOCH = 2**31  # the order that prompts are learned from must not be one that they are asked in
# In bf16 sampler and trainer round apart: beyond these the loss carries a truncated importance weight.
BF16_MEAN_GAP, BF16_RATIO, BF16_SHARE, MOST_IMPORTANCE = 0.02, 0.1, 0.1, 2.0


@dataclass
class PpoModels:
    policy: PolicyLearner
    value: ValueLearner
    generator: Generator
    scoring: ScoreParts
    spell: Callable[[Sequence[int]], str]  # tokens as people read them


@dataclass
class Texts:
    """Beside the updates: of a minibatch of so many episodes, in the run's order."""

    next: Callable[[int], list[Sequence[int]]]
    coefficient: float


def roll_out(models: PpoModels, prompts: list[Prompt], settings: dict, step: int, place: str) -> tuple[list[Episode], dict[str, float]]:
    """Samples and scores; nothing changes."""
    machine = models.policy.machine
    started = machine.now()
    asked = [(list(prompt.tokens), (step, sample)) for sample, prompt in enumerate(prompts)]
    options = {"seed": settings["seed"], "most_tokens": settings["responseTokens"]}
    with gathered(models.policy.model):
        responses = together(asked, lambda own: models.generator.sample(*map(list, zip(*own, strict=True)), **options))
    sampled = machine.now()
    episodes = []
    for prompt, response in zip(prompts, responses, strict=True):
        said = response.tokens[:-1] if response.is_ended else response.tokens
        logprobs = np.array(response.sampler_logprobs, dtype=np.float64)
        episodes.append(Episode(prompt, response.tokens, response.is_ended, models.spell(said), logprobs, {}, math.nan))
    models.scoring.judge(episodes, place)
    return episodes, {"generation": sampled - started, "scoring": machine.now() - sampled}


def read_episodes(models: PpoModels, episodes: list[Episode], state: dict, settings: dict) -> tuple[dict, float, dict[str, float]]:
    """Fills in what the models say of the responses before anything is learned from them.

    Returns what the next iteration has to know, what the head is to be multiplied by before it learns (`values` have it already), and seconds.
    """
    machine, groups = models.policy.machine, groups_of(episodes)
    at = [machine.now()]
    logprobs = models.policy.read(groups)
    at.append(machine.now())
    ref_logprobs = models.policy.read(groups, models.policy.reference_rows)
    at.append(machine.now())
    values = models.value.read(groups)
    at.append(machine.now())
    following = with_scores(state, episodes, settings)
    scale = deviation_of(following["scores"]) if settings["scoreScale"] else 1.0
    for episode, own, ref, value in zip(episodes, logprobs, ref_logprobs, values, strict=True):
        episode.logprobs, episode.ref_logprobs, episode.values = own, ref, value
        episode.credit = credit_of(episode, following["shift"] or 0.0, scale, settings["scoreClip"], settings["unfinishedScore"])
    head_scale = 1.0
    if state["valueBias"] is None:
        head_scale, shift = fit_values(episodes, state["beta"], settings["gamma"])
        for episode in episodes:
            episode.values = head_scale * episode.values + shift
        # The head's product is scaled, and what was added to it before goes along.
        following["valueBias"] = head_scale * models.value.bias + shift
    for episode in episodes:
        episode.rewards = token_rewards(episode, state["beta"])
        episode.advantages = generalized_advantages(episode.rewards, episode.values, settings["gamma"], settings["lambda"])
        episode.returns = episode.advantages + episode.values
    if settings["whiten"]:
        for episode, advantages in zip(episodes, whiten([episode.advantages for episode in episodes]), strict=True):
            episode.advantages = advantages
    seconds = {name: after - before for name, before, after in zip(("update", "reference", "value"), at, at[1:], strict=False)}
    return following, head_scale, seconds


def with_scores(state: dict, episodes: list[Episode], settings: dict) -> dict:
    """Welford's running mean and variance, over responses that ended where others get a score of their own."""
    counted = [e.score for e in episodes if e.is_ended or settings["unfinishedScore"] is None]
    scores = dict(state["scores"])
    for score in counted:
        scores["count"] += 1
        before = score - scores["mean"]
        scores["mean"] += before / scores["count"]
        scores["squares"] += before * (score - scores["mean"])
    first = -float(np.mean(counted)) if counted else None
    shift = 0 if settings["scoreShift"] == "none" else state["shift"] if state["shift"] is not None else first
    return {**state, "scores": scores, "shift": shift}


def deviation_of(scores: dict) -> float:
    return 1.0 if scores["count"] < 2 else math.sqrt(scores["squares"] / scores["count"]) or 1.0


def minibatches_of(episodes: list[Episode], step: int, settings: dict) -> list[list[Episode]]:
    """Responses to one prompt stay together, so that it is computed once."""
    size_of_set, batches = settings["responsesPerPrompt"], []
    sets = [episodes[at : at + size_of_set] for at in range(0, len(episodes), size_of_set)]
    size = len(sets) / settings["minibatches"]
    for epoch in range(settings["innerEpochs"]):
        order = permutation(settings["seed"], FIRST_UPDATE_EPOCH + step * settings["innerEpochs"] + epoch, len(sets))
        for i in range(settings["minibatches"]):
            own = order[math.floor(i * size + 0.5) : math.floor((i + 1) * size + 0.5)]
            batches.append([episode for place in own for episode in sets[place]])
    return batches


def policy_targets(episodes: list[Episode], importance: bool = False) -> Targets:
    """Each token counts the same."""
    count = sum(len(episode.tokens) for episode in episodes)
    advantages = column_of(episodes, lambda e: e.advantages)
    if importance:
        ratio = np.concatenate([np.exp(e.logprobs - e.sampler_logprobs) for e in episodes])
        advantages = advantages * torch.from_numpy(np.minimum(ratio, MOST_IMPORTANCE)).float()
    columns = {"oldLogprobs": column_of(episodes, lambda e: e.logprobs), "advantages": advantages}
    return Targets(groups_of(episodes), {**columns, "weights": torch.full((count,), 1 / count), "textWeights": torch.zeros(count)})


def value_targets(episodes: list[Episode]) -> Targets:
    count = sum(len(episode.tokens) for episode in episodes)
    columns = {"oldValues": column_of(episodes, lambda e: e.values), "returns": column_of(episodes, lambda e: e.returns)}
    return Targets(groups_of(episodes), {**columns, "weights": torch.full((count,), 1 / count)})


def text_targets(texts: Texts | None, episodes: int) -> list[Targets]:
    """Text beside so many episodes; of a text's tokens all but the first are predicted."""
    rows = texts.next(episodes) if texts else []
    count = sum(len(row) - 1 for row in rows)
    if texts is None or count == 0:
        return []
    zeros = torch.zeros(count)
    columns = {"oldLogprobs": zeros, "advantages": zeros, "weights": zeros, "textWeights": torch.full((count,), texts.coefficient / count)}
    return [Targets([Group((), [row]) for row in rows], columns)]


def column_of(episodes: list[Episode], of: Callable[[Episode], np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([of(episode) for episode in episodes])).float()


def update(models: PpoModels, episodes: list[Episode], step: int, lr: float, settings: dict, texts: Texts | None) -> tuple[dict, float, bool, float]:
    """All updates of an iteration: first the policy's, then the value function's, which do not meet.

    Returns what is charted of them, how far the first ratio is off 1, whether any was applied, and seconds.
    """
    started = models.policy.machine.now()
    batches, share = minibatches_of(episodes, step, settings), lr / settings["lr"]
    importance = models.policy.machine.precision == "bf16" and is_gap_large(episodes)
    of_policy: list[Outcome] = []
    most = settings["mostApproxKl"]
    for batch in batches if step >= settings["criticWarmup"] else []:
        targets = [policy_targets(batch, importance), *text_targets(texts, len(batch))]
        outcome = models.policy.step(targets, lr, lambda losses: most is None or losses["approxKl"] <= most)
        of_policy.append(outcome)
        if not outcome.applied and math.isfinite(outcome.gradient_norm):  # too far from where the round began
            break
    of_value = [models.value.step([value_targets(batch)], settings["valueLr"] * share) for batch in batches]

    def mean(outcomes: list[Outcome], of: Callable[[Outcome], float]) -> float:
        """What is no number was left out, and is counted as such."""
        numbers = [number for number in map(of, outcomes) if math.isfinite(number)]
        return sum(numbers) / max(1, len(numbers))

    def loss(outcomes: list[Outcome], name: str) -> float:
        return mean(outcomes, lambda outcome: outcome.losses.get(name, 0.0))

    metrics = {
        "pgLoss": loss(of_policy, "pgLoss"),
        "vfLoss": loss(of_value, "vfLoss"),
        "approxKl": loss(of_policy, "approxKl"),
        "clipFrac": loss(of_policy, "clipFrac"),
        "valueClipFrac": loss(of_value, "clipFrac"),
        "policyGradientNorm": mean(of_policy, lambda outcome: outcome.gradient_norm),
        "valueGradientNorm": mean(of_value, lambda outcome: outcome.gradient_norm),
        "skippedUpdates": sum(not outcome.applied for outcome in [*of_policy, *of_value]),
        **({"textLoss": loss(of_policy, "textLoss") / texts.coefficient} if texts else {}),
    }
    first_ratio_gap = of_policy[0].losses.get("ratioGap", 0.0) if of_policy else 0.0
    applied = any(outcome.applied for outcome in [*of_policy, *of_value])
    return metrics, first_ratio_gap, applied, models.policy.machine.now() - started


def is_gap_large(episodes: list[Episode]) -> bool:
    """Between what sampled and what learns: on average, or in the share of ratios that are well off 1."""
    gap = np.concatenate([e.logprobs - e.sampler_logprobs for e in episodes])
    return bool(np.abs(gap).mean() > BF16_MEAN_GAP or (np.abs(np.exp(gap) - 1) > BF16_RATIO).mean() > BF16_SHARE)


def describe_iteration(episodes: list[Episode], beta: float, first_ratio_gap: float) -> dict[str, float]:
    """What is charted of an iteration; the parts of the score by `part.<name>`, where there are several."""
    scores = np.array([episode.score for episode in episodes])
    returns = np.concatenate([episode.returns for episode in episodes])
    errors = returns - np.concatenate([episode.values for episode in episodes])
    logprobs = np.concatenate([episode.logprobs for episode in episodes])
    gaps = np.abs(logprobs - np.concatenate([episode.sampler_logprobs for episode in episodes]))
    parts = episodes[0].parts
    metrics = {
        "responseTokens": np.mean([len(episode.tokens) for episode in episodes]),
        "endedShare": np.mean([episode.is_ended for episode in episodes]),
        "repetition": np.mean([repetition_of(episode.text) for episode in episodes]),
        "score": scores.mean(),
        "scoreDeviation": scores.std(),
        "reward": np.mean([episode.rewards.sum() for episode in episodes]),
        "klK1": np.mean([episode.kl_k1 for episode in episodes]),
        "klK3": np.mean([episode.kl_k3 for episode in episodes]),
        "entropy": -logprobs.sum() / len(logprobs),
        "explainedVariance": 0.0 if returns.var() == 0 else 1 - errors.var() / returns.var(),
        "samplerGap": gaps.mean(),
        "samplerGapMax": gaps.max(),
        "beta": beta,
        "firstRatioGap": first_ratio_gap,
        **({f"part.{name}": np.mean([episode.parts[name] for episode in episodes]) for name in parts} if len(parts) > 1 else {}),
    }
    return {name: float(value) for name, value in metrics.items()}


def show_episodes(episodes: list[Episode], most: int, spell: Callable[[Sequence[int]], str]) -> list[dict]:
    """Some with all that was known of them, for people to read: spread evenly over the rewards, the best and the worst included."""
    ordered = sorted(episodes, key=lambda episode: -episode.rewards.sum())
    count = min(most, len(ordered))
    places = [math.floor(i * (len(ordered) - 1) / max(1, count - 1) + 0.5) for i in range(count)]
    return [_shown(ordered[place], spell) for place in places]


def _shown(e: Episode, spell: Callable[[Sequence[int]], str]) -> dict:
    return {
        "prompt": e.prompt.messages[-1]["content"],
        "source": e.prompt.source,
        "response": e.text,
        "score": e.score,
        "parts": e.parts,
        "reward": float(e.rewards.sum()),
        "kl": e.kl_k3,
        "isEnded": e.is_ended,
        "tokens": [spell([token]) for token in e.tokens],
        "tokenKl": e.log_ratios.tolist(),
        "tokenLogprobs": e.logprobs.tolist(),
        "tokenValues": e.values.tolist(),
    }
