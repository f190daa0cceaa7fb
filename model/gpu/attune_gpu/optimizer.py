"""AdamW as the TypeScript engine takes its steps: clipped by the norm of all gradients, decay on matrices, moments by parameter name."""

import math

import torch
from torch import Tensor

from attune_gpu.distributed import gradient_norm, is_sharded, local, part_of, sum_gradients, whole


class Optimizer:
    """`lr_factors` multiply the learning rate of parameters by name."""

    def __init__(self, trained: dict[str, Tensor], settings: dict, lr_factors: dict[str, float] | None = None):
        self.trained, self.settings, self.factors = trained, settings, lr_factors or {}
        betas, eps = (settings["beta1"], settings["beta2"]), settings["epsilon"]
        is_cuda = any(p.is_cuda for p in trained.values())
        groups = [{"params": [p], "weight_decay": settings["weightDecay"] if p.dim() > 1 else 0.0, "name": name} for name, p in trained.items()]
        self.adamw = torch.optim.AdamW(_merge(groups, self.factors), lr=0.0, betas=betas, eps=eps, fused=is_cuda or None)
        self.step_count = 0

    def gradient_norm(self) -> float:
        sum_gradients(self.trained)
        return gradient_norm(self.trained)

    def step(self, lr: float) -> tuple[float, bool]:
        """The norm before clipping, and whether the step was applied: it is not where the norm is no number."""
        norm, limit = self.gradient_norm(), self.settings["maxGradientNorm"]
        if math.isfinite(norm):
            if limit is not None:
                torch._foreach_mul_([local(p.grad) for p in self.trained.values() if p.grad is not None], min(1.0, limit / (norm + 1e-6)))
            for group in self.adamw.param_groups:
                group["lr"] = lr * group["factor"]
            self.adamw.step()
            self.step_count += 1
        self.zero()
        return norm, math.isfinite(norm)

    def discard(self) -> tuple[float, bool]:
        """Forgets the gradients; nothing else changes."""
        norm = self.gradient_norm()
        self.zero()
        return norm, False

    def zero(self) -> None:
        self.adamw.zero_grad(set_to_none=True)

    def moments(self) -> dict[str, Tensor]:
        """`<parameter>.m` and `.v`, zeros before the first step."""
        tensors = {}
        for name, p in self.trained.items():
            state = self.adamw.state.get(p, {})
            tensors[f"{name}.m"] = state.get("exp_avg", torch.zeros_like(p))
            tensors[f"{name}.v"] = state.get("exp_avg_sq", torch.zeros_like(p))
        return whole(tensors)

    def restore(self, moments: dict[str, Tensor], step_count: int) -> None:
        self.step_count = step_count
        for name, p in self.trained.items():
            moment = {m: part_of(moments[f"{name}.{m}"].reshape(p.shape), p, device=p.device, dtype=p.dtype).clone() for m in "mv"}
            self.adamw.state[p] = {
                "step": torch.tensor(float(step_count), device=p.device if p.is_cuda else "cpu"),
                "exp_avg": moment["m"],
                "exp_avg_sq": moment["v"],
            }


def _merge(groups: list[dict], factors: dict[str, float]) -> list[dict]:
    """One group for each decay and factor: the fused kernels take many parameters at once, but not shards among whole ones."""
    merged: dict[tuple, dict] = {}
    for group in groups:
        factor = factors.get(group["name"], 1.0)
        key = (group["weight_decay"], factor, is_sharded(group["params"][0]))
        merged.setdefault(key, {"params": [], "weight_decay": group["weight_decay"], "factor": factor})["params"] += group["params"]
    return list(merged.values())


def learning_rate_share(settings: dict, step: int, total: int) -> float:
    """Of the peak; steps count from 0."""
    warmup, final = settings["warmupSteps"], settings["finalShare"]
    if step < warmup:
        return (step + 1) / warmup
    if settings["schedule"] == "constant":
        return 1.0
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))
