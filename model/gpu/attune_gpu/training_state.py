"""What a run must know to go on as if nothing had happened: state.json, optimizer.safetensors, hidden.safetensors (docs/formats.md)."""

import shutil
from pathlib import Path

from torch import Tensor

from attune_gpu.errors import CheckpointError
from attune_gpu.js_json import js_json
from attune_gpu.safetensors_file import read_tensors, sync_folder, write_durably, write_tensors

# In the order in which state.json has them; those after `best` only where the stage has them.
KEYS = (
    "formatVersion stage step epoch skippedSteps optimizerSteps tokensSeen recentLosses seed configSha256 threads validationLossBefore "
    "validationLoss best pairAccuracyBefore pairAccuracy heldOutScoreBefore heldOutScore heldOutKl heldOutWin evaluationDue ofStage"
).split()


def new_state(stage: str, seed: int, threads: int, sha256: str) -> dict:
    return {
        "formatVersion": 1,
        "stage": stage,
        "step": 0,
        "epoch": 0,
        "skippedSteps": [],
        "optimizerSteps": 0,
        "tokensSeen": 0,
        "recentLosses": [],
        "seed": seed,
        "configSha256": sha256,
        "threads": threads,
        "validationLossBefore": None,
        "validationLoss": None,
        "best": None,
    }


def write_state(folder: Path, state: dict, moments: dict[str, Tensor], hidden: dict[str, Tensor] | None) -> None:
    """Into a new folder, the JSON last."""
    shutil.rmtree(folder, ignore_errors=True)
    write_tensors(folder / "optimizer.safetensors", moments)
    if hidden is not None:
        write_tensors(folder / "hidden.safetensors", hidden)
    ordered = {key: state[key] for key in KEYS if key in state}
    write_durably(folder / "state.json", (js_json(ordered, 2) + "\n").encode())
    sync_folder(folder)


def read_moments(folder: Path, trained: dict[str, Tensor]) -> dict[str, Tensor]:
    return _expect(folder / "optimizer.safetensors", [f"{name}.{moment}" for name in trained for moment in "mv"])


def read_hidden(folder: Path, names: list[str]) -> dict[str, Tensor]:
    return _expect(folder / "hidden.safetensors", names)


def _expect(file: Path, names: list[str]) -> dict[str, Tensor]:
    stored = read_tensors(file)
    missing = [name for name in names if name not in stored]
    if missing:
        raise CheckpointError(f"{file} lacks {len(missing)} of {len(names)} tensors, {missing[0]} first. It is of another run; start anew in another folder.")
    return stored
