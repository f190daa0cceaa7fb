"""Which script runs which stage."""

from collections.abc import Callable

from attune_gpu.errors import MachineError
from attune_gpu.machine import Machine
from attune_gpu.memory import is_out_of_memory
from attune_gpu.ppo import run_ppo
from attune_gpu.pretrain import run_pretrain
from attune_gpu.reward import run_reward
from attune_gpu.run_loop import Hooks
from attune_gpu.sft import run_sft

RUNS: dict[str, Callable[[dict, Machine, Hooks], dict]] = {"pretrain": run_pretrain, "sft": run_sft, "reward": run_reward, "ppo": run_ppo}


def run(stage: str, config: dict, machine: Machine, hooks: Hooks) -> dict:
    """The run's summary. Each stage says what to lower where its training runs out of memory; here it has not come so far."""
    try:
        return RUNS[stage](config, machine, hooks)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise MachineError(f"Out of memory in {stage} before its training began. Take a smaller model, or a machine with more memory.") from error
