"""Runs of the GPU package beside those of Attune: the same configuration, or the rest of an interrupted one."""

import json
import shutil
from pathlib import Path

from attune_gpu.config import read_config
from attune_gpu.machine import Machine
from attune_gpu.run_loop import Hooks
from attune_gpu.stages import run
from command_line import attune
from safetensors.torch import load_file

# Sums in another order; of AdamW's first steps, which divide gradients by themselves, rounding is a good part.
WEIGHTS, LOSS = 1e-4, 1e-5


def config_of(folder: Path) -> dict:
    """As `run_stage` left it beside the run."""
    return json.loads((folder / "config.json").read_text())


def run_gpu(stage: str, given: dict, **hooks) -> dict:
    return run(stage, read_config(stage, given), Machine(), Hooks(**hooks))


def run_attune(stage: str, given: dict, folder: Path) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.json"
    file.write_text(json.dumps(given))
    return json.loads(attune(stage, "--config", file, "--json").splitlines()[-1])


def interrupted_copy(output: Path, target: Path, step: int) -> Path:
    """The run as it was when it had done so many steps and no more."""
    shutil.copytree(output, target, symlinks=True)
    for folder in (target / "checkpoints").iterdir():
        if int(folder.name[5:]) > step:
            shutil.rmtree(folder)
    assert (target / "checkpoints" / f"step-{step:06d}" / "state" / "state.json").exists()
    return target


def state_of(checkpoint: Path) -> dict:
    return json.loads((checkpoint / "state" / "state.json").read_text())


def weights_of(checkpoint: Path) -> dict:
    adapter = checkpoint / "adapter_model.safetensors"
    return load_file(adapter if adapter.exists() else checkpoint / "model.safetensors")


def distance(one: Path, other: Path) -> float:
    """The largest difference between two checkpoints' weights."""
    a, b = weights_of(one), weights_of(other)
    assert a.keys() == b.keys()
    return max(float((a[name].float() - b[name].float()).abs().max()) for name in a)
