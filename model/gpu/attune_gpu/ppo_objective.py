"""PPO as a run's loop sees it: a step is an iteration, and what it has to know to go on is kept with each checkpoint (docs/formats.md)."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from attune_gpu.distributed import part_of, whole
from attune_gpu.errors import PausedError
from attune_gpu.guard_rails import History, broken_guard
from attune_gpu.ppo_iteration import PpoModels, Texts, describe_iteration, policy_targets, read_episodes, roll_out, show_episodes, text_targets, update
from attune_gpu.ppo_math import Episode, adapted_beta, best_of_n, best_of_sizes, groups_of
from attune_gpu.prompts import Prompt
from attune_gpu.random_numbers import permutation
from attune_gpu.run_loop import Hooks, Objective, Report

FOLLOWED_PROMPTS, KEPT_HISTORY = 6, 500
# So that every evaluation draws the same, and no iteration does.
EVALUATION_STEP, BEST_OF_STEP = 2**32 - 1, 2**32 - 2
WATCHED = ("klK3", "entropy", "responseTokens", "endedShare", "repetition", "firstRatioGap")


def new_ppo_state(config: dict) -> dict:
    return {
        "beta": config["beta"],
        "shift": None,
        "scores": {"count": 0, "mean": 0, "squares": 0},
        "valueBias": None,
        "valueSteps": 0,
        "ptxCoefficient": config["ptx"]["coefficient"] if config["ptx"] else None,
        "first": None,
        "scored": [],
        "judged": [],
        "lastHeldOut": None,
        "accepted": {},
        "referenceScores": None,
        "bestOfN": None,
    }


class EndlessOrder:
    """The n-th of an endless row: all of the items in an order of the seed's, then all of them in another one."""

    def __init__(self, items: Sequence, seed: int):
        self.items, self.seed, self.orders = items, seed, {}

    def __getitem__(self, n: int):
        epoch = n // len(self.items)
        if epoch not in self.orders:
            self.orders = {epoch: permutation(self.seed, epoch, len(self.items))} | dict(list(self.orders.items())[:1])
        return self.items[self.orders[epoch][n % len(self.items)]]


class PpoObjective(Objective):
    def __init__(
        self,
        settings: dict,
        models: PpoModels,
        training: list[Prompt],
        held_out: list[Prompt],
        texts: list[list[int]] | None,
        state: dict | None,
        write: Callable[[Path, dict[str, Tensor]], None],
        hooks: Hooks,
    ):
        self.settings, self.models, self.training, self.held_out = settings, models, training, held_out
        self.texts, self.write, self.hooks = texts, write, hooks
        self.total_steps, self.state = settings["iterations"], {**new_ppo_state(settings), **(state or {})}
        self.prompts = EndlessOrder(training, settings["seed"])
        policy, value = models.policy, models.value
        # Running mean of the policy; None: checkpoints hold the policy itself.
        self.averaged = None if settings["ema"] is None else {name: p.detach().clone() for name, p in policy.trained.items()}
        value.optimizer.step_count = self.state["valueSteps"]
        if self.state["valueBias"] is None and settings["valueStart"] == "copied":
            self.state["valueBias"] = value.bias
        self._set_value_bias()
        if held_out:
            self.evaluate = self._evaluate

    # What is kept with each checkpoint.

    def stage_state(self) -> dict:
        return self.state

    def hidden(self) -> dict[str, Tensor]:
        return whole(self._hidden())

    def _hidden(self) -> dict[str, Tensor]:
        tensors = {f"value.{name}": p for name, p in self.models.value.trained.items()}
        if self.averaged is not None:
            tensors |= {f"policy.{name}": p for name, p in self.models.policy.trained.items()}
        return tensors

    def moments(self) -> dict[str, Tensor]:
        of_value = self.models.value.optimizer.moments()
        return self.models.policy.optimizer.moments() | {f"value.{name}": tensor for name, tensor in of_value.items()}

    def restore(self, moments: dict[str, Tensor], hidden: dict[str, Tensor], optimizer_steps: int) -> None:
        self.models.policy.optimizer.restore(moments, optimizer_steps)
        of_value = {name.removeprefix("value."): tensor for name, tensor in moments.items() if name.startswith("value.")}
        self.models.value.optimizer.restore(of_value, self.state["valueSteps"])
        own = self._hidden()
        with torch.no_grad():
            for name, tensor in hidden.items():
                own[name].copy_(part_of(tensor.reshape(own[name].shape), own[name]))

    def optimizer_steps(self) -> int:
        return self.models.policy.optimizer.step_count

    def write_weights(self, folder: Path) -> None:
        self.write(folder, whole(self.averaged or self.models.policy.trained))

    def merit(self, evaluation: dict) -> float:
        """As high a score as the KL budget allows."""
        budget = self.settings["guards"]["klBudget"]
        return -math.inf if budget is not None and evaluation.get("heldOutKl", 0) > budget else evaluation.get("heldOutScore", math.nan)

    def epoch_of(self, step: int) -> int:
        return step * self._prompts_per_iteration // len(self.training)

    @property
    def _prompts_per_iteration(self) -> int:
        return self.settings["episodesPerIteration"] // self.settings["responsesPerPrompt"]

    def _set_value_bias(self) -> None:
        if self.state["valueBias"] is not None:
            self.models.value.bias = self.state["valueBias"]

    # An iteration.

    def advance(self, step, lr, accepts) -> Report:
        settings, models, state, place = self.settings, self.models, self.state, f"before iteration {step + 1}"
        # 1. Responses, their scores, and what the models say of them.
        episodes, sampling = roll_out(models, self._prompts_of(step), settings, step, place)
        following, head_scale, reading = read_episodes(models, episodes, state, settings)
        refuse_non_numbers(episodes, place)
        if state["first"] is None:
            self._warn_of_empty_responses(episodes)
        # 2. From here on weights change.
        models.value.scale_head(head_scale)
        state["valueBias"] = following["valueBias"]
        self._set_value_bias()
        texts = self._texts_of(step, episodes)
        metrics, first_ratio_gap, applied, seconds = update(models, episodes, step, lr, settings, texts)
        self._move_average()
        described = {**describe_iteration(episodes, state["beta"], first_ratio_gap), **metrics}
        phases = {**sampling, **reading, "update": reading["update"] + seconds}
        self.hooks.on_event({"type": "iteration", "step": step, "metrics": described, "seconds": phases})
        self.hooks.on_event({"type": "episodes", "step": step, "episodes": show_episodes(episodes, settings["keepEpisodes"], models.spell)})
        # 3. What the next iteration has to know, and whether there should be one.
        self._keep(following, described, len(episodes))
        history = History(state["first"], state["scored"], state["judged"], state["accepted"])
        broken = broken_guard(described, history, settings["guards"], models.policy.machine.precision)
        if broken:
            state["accepted"][broken[0]] = broken[1]
        loss = metrics["pgLoss"] + settings["valueCoefficient"] * metrics["vfLoss"] if applied else math.nan
        norm = metrics["policyGradientNorm"] or metrics["valueGradientNorm"]
        tokens = sum(len(episode.tokens) for episode in episodes)
        return Report(loss, norm, applied, tokens, {}, broken[2] if broken else None)

    def _prompts_of(self, step: int) -> list[Prompt]:
        count = self._prompts_per_iteration
        return [self.prompts[step * count + i] for i in range(count) for _ in range(self.settings["responsesPerPrompt"])]

    def _texts_of(self, step: int, episodes: list[Episode]) -> Texts | None:
        settings, ptx = self.settings, self.settings["ptx"]
        if self.texts is None or ptx is None or step < settings["criticWarmup"]:
            return None
        per_iteration = math.floor(ptx["perEpisode"] * settings["episodesPerIteration"] * settings["innerEpochs"] + 0.5)
        order, counts = EndlessOrder(self.texts, settings["seed"]), {"taken": 0, "asked": 0}

        def following(count: int) -> list[Sequence[int]]:
            """A share of a text is made up for later."""
            counts["asked"] += count
            missing = max(0, math.floor(ptx["perEpisode"] * counts["asked"] + 0.5) - counts["taken"])
            rows = [order[step * per_iteration + counts["taken"] + i] for i in range(missing)]
            counts["taken"] += missing
            return rows

        if self.state["ptxCoefficient"] is None:
            some = episodes[: math.floor(len(episodes) / settings["minibatches"] + 0.5)]
            of_ppo = self.models.policy.gradient_norm([policy_targets(some)])
            of_text = self.models.policy.gradient_norm(text_targets(Texts(lambda _: following(len(episodes)), 1.0), len(some)))
            counts.update(taken=0, asked=0)
            suggested = of_ppo / max(of_text, 1e-12)
            self.state["ptxCoefficient"] = ptx["coefficient"] if ptx["coefficient"] is not None else suggested
            text = f"The gradient of PPO's objective is {suggested:.3g} times as long as that of the text beside it; ptx.coefficient is {self.state['ptxCoefficient']:.3g}."
            self.hooks.on_event({"type": "note", "level": "info", "text": text})
        return Texts(following, self.state["ptxCoefficient"])

    @torch.no_grad()
    def _move_average(self) -> None:
        if self.averaged is not None:
            decay = self.settings["ema"]
            for name, p in self.models.policy.trained.items():
                self.averaged[name].mul_(decay).add_(p, alpha=1 - decay)

    def _warn_of_empty_responses(self, episodes: list[Episode]) -> None:
        """Such a policy has nothing to learn from: one token, and the same one for each prompt."""
        empty = sum(episode.is_ended and len(episode.tokens) == 1 for episode in episodes)
        if empty > len(episodes) / 2:
            text = (
                f"{empty} of {len(episodes)} responses are nothing but their end: the policy ends its answers at once, and there is little that the "
                "score could tell apart. Start from a checkpoint after SFT whose answers you have read, and see that its chat template is the one it "
                "was trained with."
            )
            self.hooks.on_event({"type": "note", "level": "warn", "text": text})

    def _keep(self, following: dict, metrics: dict, episodes: int) -> None:
        state, settings = self.state, self.settings
        watched = state["lastHeldOut"] if settings["judge"] is None else metrics.get(f"part.{settings['judge']}")
        adaptive = settings["adaptiveKl"]
        beta = adapted_beta(state["beta"], metrics["klK3"], episodes, adaptive["target"], adaptive["horizon"]) if adaptive else state["beta"]
        state.update(
            beta=beta,
            shift=following["shift"],
            scores=following["scores"],
            valueSteps=self.models.value.optimizer.step_count,
            first=state["first"] or {name: metrics[name] for name in WATCHED},
            scored=[*state["scored"], metrics["score"]][-KEPT_HISTORY:],
            judged=[*state["judged"], watched][-KEPT_HISTORY:],
            lastHeldOut=None,
        )

    # What is held out.

    def _evaluate(self, steps: int) -> dict:
        """What is measured is what a checkpoint of now would hold: with a running mean not the policy that learns."""
        if self.averaged is None:
            return self._measure(steps)
        trained = self.models.policy.trained
        own = {name: p.detach().clone() for name, p in trained.items()}
        _overwrite(trained, self.averaged)
        try:
            return self._measure(steps)
        finally:
            _overwrite(trained, own)

    def _measure(self, steps: int) -> dict:
        place = "in the evaluation " + ("before the first iteration" if steps == 0 else f"after iteration {steps}")
        asked = self.held_out[: self.settings["evaluationPrompts"]]
        episodes, _ = roll_out(self.models, asked, self.settings, EVALUATION_STEP, place)
        refuse_non_numbers(episodes, place)
        policy, groups = self.models.policy, groups_of(episodes)
        for episode, own, ref in zip(episodes, policy.read(groups), policy.read(groups, policy.reference_rows), strict=True):
            episode.logprobs, episode.ref_logprobs = own, ref
        scores = [episode.score for episode in episodes]
        held_out_score = float(np.mean(scores))
        if steps == 0:
            self._read_best_of_n(held_out_score, place)
            self.state["referenceScores"] = scores
        for episode in episodes[:FOLLOWED_PROMPTS]:
            asked_text = episode.prompt.messages[-1]["content"]
            self.hooks.on_event({"type": "sample", "step": steps, "prompt": asked_text, "response": episode.text, "source": episode.prompt.source})
        self.state["lastHeldOut"] = held_out_score
        evaluation = {"heldOutScore": held_out_score, "heldOutKl": float(np.mean([episode.kl_k3 for episode in episodes]))}
        reference = self.state["referenceScores"]
        if reference is not None:
            evaluation["heldOutWin"] = float(np.mean([(np.sign(a - b) + 1) / 2 for a, b in zip(scores, reference, strict=False)]))
        return evaluation

    def _read_best_of_n(self, held_out_score: float, place: str) -> None:
        """What the reference would score if it had several tries at each prompt; to few prompts, and so only the gain over one try is taken."""
        settings, count = self.settings, self.settings["bestOfSamples"]
        if count is None:
            return
        most = max(1, settings["episodesPerIteration"] // count)
        asked = self.held_out[: min(settings["evaluationPrompts"], most)]
        episodes, _ = roll_out(self.models, [prompt for prompt in asked for _ in range(count)], settings, BEST_OF_STEP, place)
        refuse_non_numbers(episodes, place)
        scores = [episode.score for episode in episodes]
        candidates = [scores[i * count : (i + 1) * count] for i in range(len(asked))]
        base = held_out_score - best_of_n(candidates, 1)
        self.state["bestOfN"] = [{"n": n, "score": base + best_of_n(candidates, n)} for n in best_of_sizes(count)]
        points = [{**point, "kl": math.log(point["n"]) - (point["n"] - 1) / point["n"]} for point in self.state["bestOfN"]]
        self.hooks.on_event({"type": "bestOfN", "points": points})


@torch.no_grad()
def _overwrite(trained: dict[str, Tensor], by: dict[str, Tensor]) -> None:
    for name, p in trained.items():
        p.copy_(by[name])


def refuse_non_numbers(episodes: list[Episode], place: str) -> None:
    """Whatever is learned from them would be none either."""
    for episode in episodes:
        sources = [f"the part {name} of the score" for name, score in episode.parts.items() if not math.isfinite(score)]
        read = {"the value function": episode.values, "the policy": episode.logprobs, "the reference": episode.ref_logprobs}
        sources += [name for name, numbers in read.items() if not np.isfinite(numbers).all()]
        if sources:
            raise PausedError(
                f"What {' and '.join(sources)} said of a response to {episode.prompt.source.file}:{episode.prompt.source.line} is no number. The run is "
                f"saved and paused {place}, and nothing was learned from it. Look at that model; the same command asks it again."
            )
