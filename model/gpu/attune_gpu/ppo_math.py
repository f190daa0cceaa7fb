"""PPO's arithmetic between what the models say and what the updates are given: rewards, advantages, values, objectives. No model in it."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from attune_gpu.groups import Group
from attune_gpu.prompts import Prompt

Numbers = np.ndarray  # (L) float64, of the tokens of a response


@dataclass
class Episode:
    """A prompt, the response to it, and all that is known of it before the policy learns from it."""

    prompt: Prompt
    tokens: list[int]
    is_ended: bool
    text: str  # without its end token
    sampler_logprobs: Numbers
    parts: dict[str, float]  # of the score, by name
    score: float  # their weighted sum
    logprobs: Numbers = field(default_factory=lambda: np.empty(0))
    ref_logprobs: Numbers = field(default_factory=lambda: np.empty(0))
    values: Numbers = field(default_factory=lambda: np.empty(0))
    credit: float = float("nan")  # the score as the policy learns it
    rewards: Numbers = field(default_factory=lambda: np.empty(0))
    advantages: Numbers = field(default_factory=lambda: np.empty(0))
    returns: Numbers = field(default_factory=lambda: np.empty(0))

    @property
    def log_ratios(self) -> Numbers:
        return self.logprobs - self.ref_logprobs

    @property
    def kl_k1(self) -> float:
        """log p - log ref summed over the response: unbiased, and may be negative."""
        return float(self.log_ratios.sum())

    @property
    def kl_k3(self) -> float:
        """ref / p - 1 - log(ref / p): unbiased too, never negative (Schulman 2020)."""
        return float((np.expm1(-self.log_ratios) + self.log_ratios).sum())


def groups_of(episodes: list[Episode]) -> list[Group]:
    """Neighbours that answer the same prompt share it."""
    groups: list[tuple[Prompt, list[list[int]]]] = []
    for episode in episodes:
        if groups and groups[-1][0] is episode.prompt:
            groups[-1][1].append(episode.tokens)
        else:
            groups.append((episode.prompt, [episode.tokens]))
    return [Group(prompt.tokens, responses) for prompt, responses in groups]


def credit_of(episode: Episode, shift: float, scale: float, clip: float | None, unfinished: float | None) -> float:
    """The score shifted, scaled and clipped, or what stands for an end that did not come."""
    if not episode.is_ended and unfinished is not None:
        return unfinished
    shifted = (episode.score + shift) / scale
    return shifted if clip is None else max(-clip, min(clip, shifted))


def token_rewards(episode: Episode, beta: float) -> Numbers:
    """-beta (log p - log ref), and the credit on the last token (arXiv 1909.08593, eq. 2)."""
    rewards = -beta * episode.log_ratios
    rewards[-1] += episode.credit
    return rewards


def generalized_advantages(rewards: Numbers, values: Numbers, gamma: float, lam: float) -> Numbers:
    """delta_t = reward_t + gamma V_{t+1} - V_t,  A_t = delta_t + gamma lambda A_{t+1} (arXiv 1506.02438, eq. 16)."""
    advantages, following, next_value = np.zeros(len(rewards)), 0.0, 0.0
    for t in reversed(range(len(rewards))):
        following = rewards[t] + gamma * next_value - values[t] + gamma * lam * following
        advantages[t], next_value = following, values[t]
    return advantages


def whiten(parts: list[Numbers]) -> list[Numbers]:
    """Mean 0 and deviation 1 (of the population) over all tokens of all responses."""
    every = np.concatenate(parts)
    mean, scale = every.mean(), 1 / np.sqrt(every.var() + 1e-8)
    return [(part - mean) * scale for part in parts]


def fit_values(episodes: list[Episode], beta: float, gamma: float) -> tuple[float, float]:
    """(scale, shift): the line through the values that is nearest to what the first responses were worth from each token on."""
    values = np.concatenate([episode.values for episode in episodes])
    worth = np.concatenate([discounted_sums(token_rewards(episode, beta), gamma) for episode in episodes])
    variance = values.var()
    covariance = ((values - values.mean()) * (worth - worth.mean())).mean()
    scale = 0.0 if variance == 0 else min(1.0, max(0.0, covariance / variance))
    return float(scale), float(worth.mean() - scale * values.mean())


def discounted_sums(rewards: Numbers, gamma: float) -> Numbers:
    sums, total = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        total = rewards[t] + gamma * total
        sums[t] = total
    return sums


def adapted_beta(beta: float, kl: float, episodes: int, target: float, horizon: float) -> float:
    """arXiv 1909.08593, eq. 4, whose error is clipped at 0.2."""
    error = min(0.2, max(-0.2, kl / target - 1))
    return beta * (1 + error * episodes / horizon)


def clipped_policy_objective(logprobs: Tensor, old: Tensor, advantages: Tensor, weights: Tensor, clip: float) -> dict[str, Tensor]:
    """pgLoss = sum_i w_i max(-A_i rho_i, -A_i clip(rho_i, 1 - c, 1 + c)), rho = p / p_old (arXiv 1707.06347)."""
    log_ratio = logprobs - old
    ratio = log_ratio.exp()
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    with torch.no_grad():
        counted = weights > 0
        facts = {
            "clipFrac": (weights * (clipped > free)).sum(),
            "approxKl": 0.5 * (weights * log_ratio**2).sum(),
            "ratioGap": ((ratio - 1).abs() * counted).max() if len(ratio) else torch.zeros(()),
        }
    return {"pgLoss": (weights * torch.maximum(free, clipped)).sum(), **facts}


def clipped_value_objective(values: Tensor, old: Tensor, returns: Tensor, weights: Tensor, clip: float) -> dict[str, Tensor]:
    """vfLoss = 1/2 sum_i w_i max((V_i - R_i)^2, (clip(V_i, Vold_i - c, Vold_i + c) - R_i)^2)."""
    near = old + (values - old).clamp(-clip, clip)
    free, clipped = (values - returns) ** 2, (near - returns) ** 2
    return {"vfLoss": 0.5 * (weights * torch.maximum(free, clipped)).sum(), "clipFrac": (weights * (clipped > free)).sum().detach()}


def best_of_n(prompts: list[list[float]], n: int) -> float:
    """Mean over prompts of what the best of n draws would score, unbiased over all ways to draw (arXiv 2210.10760, appendix I)."""
    return float(np.mean([sum(score * _chance(rank, n, len(scores)) for rank, score in enumerate(sorted(scores))) for scores in prompts]))


def _chance(rank: int, n: int, count: int) -> float:
    """C(rank, n - 1) / C(count, n)"""
    if rank < n - 1:
        return 0.0
    chance = n / count
    for i in range(n - 1):
        chance *= (rank - i) / (count - 1 - i)
    return chance


def best_of_sizes(count: int) -> list[int]:
    """1, 2, 4, … as far as so many candidates go."""
    return [2**power for power in range(count.bit_length()) if 2**power <= count]
