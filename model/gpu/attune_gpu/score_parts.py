"""What PPO's score is made of: reward models, rules, endpoints; each by its name, summed by weight (docs/ppo.md)."""

import hashlib
import json
import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from attune_gpu.distributed import first
from attune_gpu.errors import PausedError
from attune_gpu.gold import gold_score
from attune_gpu.ppo_math import Episode, groups_of
from attune_gpu.reward_model import RewardModel

REWARD_PART = "rewardModel"
ITEMS_PER_REQUEST, FIRST_WAIT_SECONDS = 64, 0.5


class EndpointError(PausedError):
    """It did not score, and is never replaced by a number of ours."""


@dataclass
class Part:
    name: str
    weight: float
    score: Callable[[list[Episode], str], list[float]]


class ScoreParts:
    def __init__(self, config: dict, models: list[RewardModel], watching: dict[str, RewardModel]):
        """`watching`: the reward model of each part of that type, by the part's name."""
        self.models = [*models, *watching.values()]
        combined = Part(REWARD_PART, config["rewardWeight"], lambda episodes, _: combine(_by_all(models, episodes), config))
        self.parts = [combined, *(_part(part, watching.get(part["name"])) for part in config["parts"])]

    def judge(self, episodes: list[Episode], place: str) -> None:
        """Fills in `parts` and `score`."""
        columns = [(part, part.score(episodes, place)) for part in self.parts]
        for i, episode in enumerate(episodes):
            episode.parts = {part.name: scores[i] for part, scores in columns}
            # A part that only watches adds nothing, whatever it says.
            episode.score = sum(part.weight * scores[i] for part, scores in columns if part.weight)

    def sha256(self) -> str:
        """Of what the reward models trained, as it is in memory: it is not to change."""
        return hashlib.sha256("".join(model.sha256() for model in self.models).encode()).hexdigest()


def _part(part: dict, model: RewardModel | None) -> Part:
    scores = {
        "rules": lambda episodes, _: [gold_score(e.text, part["rules"] if part.get("rules") is not None else e.prompt.rules) for e in episodes],
        "endpoint": lambda episodes, place: first(lambda: ask_endpoint(part, episodes, place)),
        "rewardModel": lambda episodes, _: [float(np.mean(each)) for each in zip(*_by_all([model], episodes), strict=True)],
    }
    return Part(part["name"], part["weight"], scores[part["type"]])


def _by_all(models: list[RewardModel], episodes: list[Episode]) -> list[list[float]]:
    """(models, an ensemble's members one by one) of (responses), by the very tokens that were sampled, the end included."""
    return [column for model in models for column in model.score(groups_of(episodes)).double().T.tolist()]


def combine(scores: list[list[float]], config: dict) -> list[float]:
    of_response = np.array(scores)  # (models, responses)
    if config["combine"] == "minimum":
        return of_response.min(0).tolist()
    means = of_response.mean(0)
    # One model alone has no spread to be cautious about.
    if config["combine"] == "lowerBound" and len(scores) > 1:
        means = means - config["deviationFactor"] * of_response.std(0, ddof=1)
    return means.tolist()


def ask_endpoint(part: dict, episodes: list[Episode], place: str) -> list[float]:
    scores: list[float] = []
    for at in range(0, len(episodes), ITEMS_PER_REQUEST):
        scores += _ask_patiently(part, episodes[at : at + ITEMS_PER_REQUEST], place)
    return scores


def _ask_patiently(part: dict, episodes: list[Episode], place: str) -> list[float]:
    body = json.dumps({"items": [{"messages": e.prompt.messages, "response": e.text} for e in episodes]}).encode()
    reason = ""
    for attempt in range(part["retries"] + 1):
        if attempt:
            time.sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        try:
            return _ask_once(part, body, len(episodes))
        except (OSError, ValueError) as error:
            reason = str(error)
    raise EndpointError(
        f"The part {part['name']} gave no scores in {part['retries'] + 1} attempts: {reason}. The run is saved and paused {place}, and nothing was "
        f"scored as 0. When {part['url']} answers again, the same command goes on."
    )


def _ask_once(part: dict, body: bytes, count: int) -> list[float]:
    request = urllib.request.Request(part["url"], data=body, headers={"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=part["timeoutSeconds"]) as answer:
            scores = json.loads(answer.read()).get("scores")
    except urllib.error.HTTPError as error:
        raise OSError(f"it answered {error.code}") from error
    except TimeoutError as error:
        raise OSError(f"it did not answer within {part['timeoutSeconds']} s") from error
    except AttributeError as error:
        raise ValueError("its answer is not {scores: [number]}") from error
    if not isinstance(scores, list) or not all(isinstance(s, (int, float)) and math.isfinite(s) for s in scores):
        raise ValueError("its answer is not {scores: [number]}")
    if len(scores) != count:
        raise ValueError(f"it gave {len(scores)} scores for {count} responses")
    return [float(score) for score in scores]
