"""A run's folder: run.json says whose it is, and its checkpoints are found and gone on from by either engine."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from attune_gpu.checkpoint import Checkpoint
from attune_gpu.distributed import first
from attune_gpu.errors import RunFolderError
from attune_gpu.folder_lock import folder_lock
from attune_gpu.js_json import js_json
from attune_gpu.safetensors_file import sync_folder, write_durably

PATHS = ("output", "data", "model", "tokenizer", "pretrainMix", "demonstrations", "rewardModels")
OWN_NAMES = ["run.json", "run.json.part", "checkpoints", "base", "start", "tokenizer", ".sampling", ".rollouts"]


def settings_without_paths(settings: dict) -> dict:
    """By which a run is told from others: where its files lie is none of them. The order of keys is part of a run's identity."""
    kept = {key: value for key, value in settings.items() if key not in PATHS}
    tokenizer, mix = settings.get("tokenizer"), settings.get("pretrainMix")
    if tokenizer is not None and not isinstance(tokenizer, str):
        kept["tokenizer"] = tokenizer
    if mix is not None:
        kept["pretrainMix"] = {"share": mix["share"]}
    return kept


def config_sha256(settings: dict, dataset_sha256: str | None, parent: str) -> str:
    """The same as the TypeScript engine's, so that each goes on with the other's runs."""
    text = js_json({**settings_without_paths(settings), "dataset": dataset_sha256, "parent": parent})
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@contextlib.contextmanager
def claim_run_folder(output: Path, *, stage: str, settings: dict, dataset_sha256: str, base: str | None) -> Iterator[None]:
    """Makes the folder this run's, or finds that it is already; held by this process, the first of several, until the end of the block."""
    mine = {"formatVersion": 1, "stage": stage, "settings": settings_without_paths(settings), "datasetSha256": dataset_sha256, "base": base}
    with contextlib.ExitStack() as held:
        first(lambda: held.enter_context(_claimed(output, mine)))
        yield


@contextlib.contextmanager
def _claimed(output: Path, mine: dict) -> Iterator[None]:
    _read_run_file(output)  # before anything is put there: a folder of something else stays as it is
    output.mkdir(parents=True, exist_ok=True)
    with folder_lock(output / "run.lock", mine["stage"]):
        found = _read_run_file(output)
        if found != mine:
            if found is not None and step_folders(output / "checkpoints"):
                raise RunFolderError(_describe_other(output, found, mine))
            if found is not None:
                for name in OWN_NAMES:
                    _remove(output / name)
            draft = output / "run.json.part"
            write_durably(draft, (js_json(mine, 2) + "\n").encode("utf-8", "surrogatepass"))
            draft.rename(output / "run.json")
            sync_folder(output)
        yield


def _read_run_file(output: Path) -> dict | None:
    """None in an empty folder, and where only checkpoints were brought from elsewhere to go on from."""
    if not output.exists():
        return None
    if not output.is_dir():
        raise RunFolderError(f"{output} is no folder. Choose another output.")
    file = output / "run.json"
    if not file.exists():
        others = [each.name for each in output.iterdir() if each.name not in OWN_NAMES and not each.name.startswith("run.lock")]
        if others:
            raise RunFolderError(f"{output} holds something else ({', '.join(sorted(others)[:3])}), not a run. Choose a new folder as output.")
        return None
    try:
        found = json.loads(file.read_text())
        return {key: found[key] for key in ("formatVersion", "stage", "settings", "datasetSha256", "base")}
    except (ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{file} is no run's. Choose a new folder as output.") from error


def _describe_other(output: Path, found: dict, mine: dict) -> str:
    if found["stage"] != mine["stage"]:
        return f"{output} holds a {found['stage']} run. Choose another output."
    there, here = found["settings"], mine["settings"]
    keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    facts = [f"{key} is {json.dumps(there.get(key))} there and {json.dumps(here.get(key))} here" for key in keys]
    if found["datasetSha256"] != mine["datasetSha256"]:
        facts.append("its data are others")
    if found["base"] != mine["base"]:
        facts.append("it starts from another checkpoint")
    return f"{output} holds another run: {'; '.join(facts)}. Choose another output."


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def link_base(output: Path, base: Checkpoint) -> None:
    """Checkpoints of adapters find their lineage's base beside them, wherever it lies."""

    def link() -> None:
        _remove(output / "base")
        os.symlink(base.base_folder.resolve(), output / "base")

    first(link)


def checkpoint_folder(checkpoints: Path, step: int) -> Path:
    return checkpoints / f"step-{step:06d}"


def step_folders(checkpoints: Path) -> list[Path]:
    """In order of steps."""
    folders = [each for each in checkpoints.iterdir() if re.fullmatch(r"step-\d+", each.name)] if checkpoints.is_dir() else []
    return sorted(folders, key=lambda folder: int(folder.name[5:]))


def last_state(checkpoints: Path, sha256: str) -> tuple[Path, dict] | None:
    """The newest checkpoint with a state of this very configuration. One without state was interrupted, and is passed over."""
    for folder in reversed(step_folders(checkpoints)):
        file = folder / "state" / "state.json"
        if file.exists():
            state = json.loads(file.read_text())
            if state["configSha256"] == sha256:
                return folder, state
    return None


def remove_old_checkpoints(checkpoints: Path, keep: set[int]) -> None:
    """Kept are the newest two and those named; the rest would only fill the disk."""
    for folder in step_folders(checkpoints)[:-2]:
        if int(folder.name[5:]) not in keep:
            shutil.rmtree(folder)
