"""The policy and the value function of PPO, as something that reads responses and takes steps: an adapter, or a whole model."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attune_gpu.distributed import largest, share, together, total
from attune_gpu.groups import Group, GroupBatch, cut_into_batches, lay_out_groups
from attune_gpu.machine import Machine
from attune_gpu.model import Adapter, Transformer, token_logprobs
from attune_gpu.optimizer import Optimizer
from attune_gpu.ppo_math import clipped_policy_objective, clipped_value_objective
from attune_gpu.reward_model import group_states


@dataclass
class Targets:
    """What an update is given: groups, and columns over their predicted tokens."""

    groups: list[Group]
    columns: dict[str, Tensor]  # (N) each


@dataclass
class Outcome:
    losses: dict[str, float]
    gradient_norm: float
    applied: bool


class Learner:
    """`tokens_per_batch` are computed at once; gradients of a step's batches are added up."""

    def __init__(self, trained: dict[str, Tensor], settings: dict, machine: Machine):
        self.trained, self.settings, self.machine = trained, settings, machine
        self.optimizer = Optimizer(trained, settings)

    def rows(self, batch: GroupBatch) -> Tensor:
        """(N) what the model says of each token of the responses."""
        raise NotImplementedError

    def objective(self, rows: Tensor, columns: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """A batch's part of the loss, and what is told of it."""
        raise NotImplementedError

    @torch.no_grad()
    def read(self, groups: list[Group], rows: Callable[[GroupBatch], Tensor] | None = None) -> list[np.ndarray]:
        """(L) of each response, in order, in double."""

        def read_together(own: list[Group]) -> list[np.ndarray]:
            """Of each group, its responses end to end."""
            said = (rows or self.rows)(lay_out_groups(own).to(self.machine.device)).double().cpu()
            return [part.numpy().copy() for part in said.split([group.predicted for group in own])]

        read: list[np.ndarray] = []
        for own in cut_into_batches(groups, self.settings["tokensPerBatch"]):
            for group, said in zip(own, together(own, read_together), strict=True):
                lengths = [len(response) - (not group.prompt) for response in group.responses]
                read += np.split(said, np.cumsum(lengths)[:-1])
        return read

    def step(self, targets: list[Targets], lr: float, accepts: Callable[[dict], bool] = lambda losses: True) -> Outcome:
        """One step on the sum of the losses of all. `accepts` says by these, before anything changes, whether it is applied."""
        losses = self._accumulate(targets)
        is_number = all(map(math.isfinite, losses.values()))
        norm, applied = self.optimizer.step(lr) if is_number and accepts(losses) else self.optimizer.discard()
        return Outcome(losses, norm, applied)

    def gradient_norm(self, targets: list[Targets]) -> float:
        """Nothing changes."""
        self._accumulate(targets)
        return self.optimizer.discard()[0]

    def _accumulate(self, targets: list[Targets]) -> dict[str, float]:
        losses: dict[str, float] = {}
        for each in targets:
            at = 0
            for own in cut_into_batches(each.groups, self.settings["tokensPerBatch"]):
                ends = np.cumsum([at, *(group.predicted for group in own)]).tolist()
                at = ends[-1]
                places, counts = share(len(own))
                tokens = torch.cat([torch.arange(ends[place], ends[place + 1]) for place in places])
                columns = {name: column[tokens].to(self.machine.device) for name, column in each.columns.items()}
                loss, facts = self.objective(self.rows(lay_out_groups([own[place] for place in places]).to(self.machine.device)), columns)
                (counts * loss).backward()
                for name, value in {"loss": loss, **facts}.items():
                    number = counts * value.item()
                    # NaN has to come through a maximum as it does through a sum.
                    losses[name] = losses.get(name, 0.0) + number if name != "ratioGap" else max(number, losses.get(name, 0.0), key=_nan_first)
        return {name: largest(value) if name == "ratioGap" else total(value) for name, value in losses.items()}


def _nan_first(value: float) -> float:
    return math.inf if math.isnan(value) else value


class PolicyLearner(Learner):
    """`reference`: the policy as it was at the start of the run, an adapter over the same base or a model of its own."""

    def __init__(self, model: Transformer, adapter: Adapter | None, trained, reference: tuple[Transformer, Adapter | None], settings: dict, machine: Machine):
        super().__init__(trained, settings, machine)
        self.model, self.adapter, self.reference = model, adapter, reference
        model.recompute, model.flexes = settings["recompute"], machine.flexes

    def rows(self, batch: GroupBatch) -> Tensor:
        return self._logprobs(self.model, self.adapter, batch)

    def reference_rows(self, batch: GroupBatch) -> Tensor:
        return self._logprobs(*self.reference, batch)

    def _logprobs(self, model: Transformer, adapter: Adapter | None, batch: GroupBatch) -> Tensor:
        with self.machine.autocast():
            states = group_states(model, batch, adapter, None)
            return token_logprobs(states[batch.places], model.head, batch.labels)

    def objective(self, rows: Tensor, columns: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        told = clipped_policy_objective(rows, columns["oldLogprobs"], columns["advantages"], columns["weights"], self.settings["clip"])
        told["textLoss"] = -(columns["textWeights"] * rows).sum()
        return told["pgLoss"] + told["textLoss"], told


@dataclass
class ValueModel:
    """A trainable copy of a reward model, read before each token instead of at the last one."""

    model: Transformer
    adapter: Adapter | None
    head: nn.Parameter  # (1, hidden)
    layers: int | None
    trained: dict[str, Tensor] = field(default_factory=dict)


class ValueLearner(Learner):
    def __init__(self, value: ValueModel, bias: float, settings: dict, machine: Machine):
        super().__init__(value.trained, settings, machine)
        self.value, self.bias = value, bias
        value.model.recompute, value.model.flexes = settings["recompute"], machine.flexes

    def rows(self, batch: GroupBatch) -> Tensor:
        with self.machine.autocast():
            states = group_states(self.value.model, batch, self.value.adapter, self.value.layers)
        return F.linear(states[batch.places].float(), self.value.head)[:, 0] + self.bias

    def objective(self, rows: Tensor, columns: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        told = clipped_value_objective(rows, columns["oldValues"], columns["returns"], columns["weights"], self.settings["valueClip"])
        return self.settings["valueCoefficient"] * told["vfLoss"], told

    def scale_head(self, factor: float) -> None:
        with torch.no_grad():
            self.value.head.mul_(factor)
