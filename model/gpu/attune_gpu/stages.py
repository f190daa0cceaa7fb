"""Which script runs which stage."""

from collections.abc import Callable

import torch

from attune_gpu.errors import MachineError
from attune_gpu.machine import Machine
from attune_gpu.ppo import run_ppo
from attune_gpu.pretrain import run_pretrain
from attune_gpu.reward import run_reward
from attune_gpu.run_loop import Hooks
from attune_gpu.sft import run_sft

RUNS: dict[str, Callable[[dict, Machine, Hooks], dict]] = {"pretrain": run_pretrain, "sft": run_sft, "reward": run_reward, "ppo": run_ppo}
# What of a stage's settings memory grows with, in the order in which to lower it.
SIZES = {
    "pretrain": ["rowsPerBatch", "rowLength"],
    "sft": ["rowsPerBatch", "rowLength"],
    "reward": ["tokensPerBatch", "longestTokens"],
    "ppo": ["tokensPerBatch", "episodesPerIteration"],
}


def run(stage: str, config: dict, machine: Machine, hooks: Hooks) -> dict:
    """The run's summary. Running out of memory says what to lower."""
    try:
        return RUNS[stage](config, machine, hooks)
    except torch.OutOfMemoryError as error:
        raise out_of_memory(stage, config) from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error):
            raise out_of_memory(stage, config) from error
        raise


def out_of_memory(stage: str, config: dict) -> MachineError:
    sizes = ", ".join(f"{key} (now {config[key]})" for key in SIZES[stage] if config.get(key) is not None)
    more = "" if config.get("recompute") else ", or set recompute to true, which keeps only what enters each layer"
    return MachineError(f"Out of memory in {stage}. Halve {sizes}{more}. The last checkpoint is whole, and the same command goes on from it.")
