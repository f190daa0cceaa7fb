"""Checkpoint folders (docs/formats.md): opened with the base below an adapter, verified, and written whole or not at all."""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from attune_gpu.errors import CheckpointError, UnfitBaseError
from attune_gpu.js_json import js_json
from attune_gpu.model_config import ModelConfig, expected_tensors, parse_config
from attune_gpu.safetensors_file import file_sha256, read_tensors, sync_folder, write_durably, write_tensors
from attune_gpu.tokenizer import Tokenizer

MANIFEST = "attune.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS, ENSEMBLE = "adapter_config.json", "adapter_model.safetensors", "ensemble.safetensors"
# What a checkpoint takes from the one it started from, besides config.json.
TOKENIZER_FILES = ["generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"]


@dataclass(frozen=True)
class LoraShape:
    rank: int
    alpha: float
    targets: list[str]  # last names of the layers it stands beside

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def json(self) -> dict:
        """As a run's settings have it."""
        return {"rank": self.rank, "alpha": self.alpha, "targets": self.targets}


@dataclass(frozen=True)
class Checkpoint:
    folder: Path
    id: str  # sha256 of its attune.json
    manifest: dict
    config: ModelConfig
    config_json: dict
    tokenizer: Tokenizer
    adapter: LoraShape | None  # not None: the folder holds an adapter over the base
    base_folder: Path  # whose weights these are: its own, or those of its lineage's base
    base_id: str
    base_name: str

    @property
    def is_reward_model(self) -> bool:
        return self.manifest["stage"] == "reward"

    @property
    def score_bias(self) -> float:
        return self.manifest.get("scoreBias", 0.0)

    def with_layers(self, count: int) -> "Checkpoint":
        """The same one, read no further: the last norm and the head follow that layer."""
        return replace(self, config=replace(self.config, layer_count=count))

    def base_weights(self) -> dict[str, torch.Tensor]:
        """Of the whole model, the adapter left out; single precision."""
        shapes = expected_tensors(self.config)
        if self.is_reward_model and self.adapter is None:
            shapes.pop("lm_head.weight", None)
        weights = read_tensors(weight_files(self.base_folder), list(shapes))
        for name, shape in shapes.items():
            found = weights.get(name)
            if found is None or tuple(found.shape) != shape:
                fact = "is missing" if found is None else f"is {list(found.shape)} where config.json says {list(shape)}"
                raise CheckpointError(f"{self.base_folder}: tensor {name} {fact}.")
        return {name: weights[name].float() for name in shapes}

    def adapter_weights(self) -> dict[str, torch.Tensor]:
        """By PEFT's names; the head of a reward model too. Empty where all weights are in the checkpoint."""
        return {} if self.adapter is None else read_tensors(self.folder / ADAPTER_WEIGHTS)

    def complete_weights(self) -> dict[str, torch.Tensor]:
        """W + alpha / rank * B A where an adapter stands beside W."""
        weights, adapter = self.base_weights(), self.adapter_weights()
        for name, down in adapter.items():
            if name.endswith(".lora_A.weight"):
                layer = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
                delta = self.adapter.scale * (adapter[f"base_model.model.{layer}.lora_B.weight"] @ down)
                weight = weights.get(f"{layer}.weight")
                if weight is None:  # of a layer that is not read
                    continue
                weights[f"{layer}.weight"] = weight + (delta.T if self.config.family == "gpt2" else delta)
        return weights

    def score_head(self) -> torch.Tensor:
        """(1, hidden) of a reward model."""
        name = "score.weight" if self.adapter is None else "base_model.model.score.weight"
        file = weight_files(self.folder) if self.adapter is None else [self.folder / ADAPTER_WEIGHTS]
        return read_tensors(file, [name])[name].float()

    def ensemble(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Heads (members, hidden) and what is added to each; None where there is one head."""
        if self.manifest.get("ensemble") is None:
            return None
        stored = read_tensors(self.folder / ENSEMBLE)
        return stored["score.weight"].float(), stored["score.bias"].float()


def open_checkpoint(folder: Path | str, places: Iterable[Path] = ()) -> Checkpoint:
    """With the base below an adapter, looked for by its id near the checkpoint and in `places`. Sizes are checked, hashes are not."""
    folder = Path(folder)
    own_id, manifest = read_manifest(folder)
    _check_sizes(folder, manifest)
    adapter, base_folder, base_id, base_name = None, folder, own_id, manifest["name"]
    if manifest.get("lineageBase"):
        adapter_json = json.loads((folder / ADAPTER_CONFIG).read_text())
        adapter = _lora_shape(folder, adapter_json)
        base_folder = find_base(folder, manifest["lineageBase"], adapter_json.get("base_model_name_or_path"), places)
        base_id, base_manifest = read_manifest(base_folder)
        base_name = base_manifest["name"]
        _check_sizes(base_folder, base_manifest)
    config_json = json.loads((folder / "config.json").read_text())
    config = parse_config(config_json)
    tokenizer = Tokenizer(folder, config.end_token_ids)
    return Checkpoint(folder, own_id, manifest, config, config_json, tokenizer, adapter, base_folder, base_id, base_name)


def open_base(folder: Path | str, places: Iterable[Path] = ()) -> Checkpoint:
    """What a run starts from; refuses what is no language model."""
    path = Path(folder)
    if not path.is_dir():
        raise UnfitBaseError(f"{folder} is no folder. Give the folder of a checkpoint.")
    if (path / "run.json").exists() and (path / "checkpoints").exists():
        raise UnfitBaseError(f"{folder} is the folder of a run. Give one of its checkpoints: {folder}/checkpoints/step-….")
    if (path / ADAPTER_CONFIG).exists() and not (path / MANIFEST).exists():
        raise UnfitBaseError(f"{folder} holds an adapter that is no checkpoint: it has no attune.json, which names its base.")
    if read_manifest(path)[1]["stage"] == "reward":
        raise UnfitBaseError(f"{folder} is a reward model. Start from a language model.")
    checkpoint = open_checkpoint(path, places)
    if checkpoint.tokenizer.vocabulary_size > checkpoint.config.vocabulary_size:
        raise UnfitBaseError(f"{folder}: the tokenizer has more tokens than the model has embeddings. The tokenizer is another model's.")
    return checkpoint


def read_manifest(folder: Path) -> tuple[str, dict]:
    file = folder / MANIFEST
    if not file.is_file():
        raise UnfitBaseError(f"{folder} is no checkpoint: it has no {MANIFEST}. Import it: npx attune models pull <path>.")
    content = file.read_bytes()
    try:
        manifest = json.loads(content)
    except ValueError as error:
        raise CheckpointError(f"{file} is not JSON.") from error
    if not isinstance(manifest, dict) or manifest.get("formatVersion") != 1 or not isinstance(manifest.get("files"), dict):
        raise CheckpointError(f"{file} is of a form that this version does not know.")
    return hashlib.sha256(content).hexdigest(), manifest


def verify_checkpoint(folder: Path) -> dict:
    """Every file's sha256. Raises CheckpointError naming the first that differs."""
    manifest = read_manifest(folder)[1]
    _check_sizes(folder, manifest)
    for name, expected in manifest["files"].items():
        found = file_sha256(folder / name)
        if found != expected["sha256"]:
            raise CheckpointError(f"{folder / name} is damaged: its sha256 is {found}, not {expected['sha256']}. Fetch the checkpoint again.")
    return manifest


def _check_sizes(folder: Path, manifest: dict) -> None:
    for name, expected in manifest["files"].items():
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise CheckpointError(f"{folder / MANIFEST} names a file outside of its folder: {name}.")
        size = (folder / name).stat().st_size if (folder / name).is_file() else None
        if size != expected["sizeBytes"]:
            raise CheckpointError(f"{folder / name} has {size if size is not None else 'no'} bytes, not {expected['sizeBytes']}. Fetch the checkpoint again.")


def _lora_shape(folder: Path, config: dict) -> LoraShape:
    targets = config.get("target_modules")
    unknown = config.get("use_rslora") or config.get("use_dora") or config.get("rank_pattern") or config.get("alpha_pattern")
    if config.get("peft_type") != "LORA" or not isinstance(targets, list) or unknown or config.get("bias", "none") != "none":
        raise UnfitBaseError(f"{folder} holds another kind of adapter than plain LoRA on named layers.")
    return LoraShape(config["r"], config["lora_alpha"], targets)


def find_base(folder: Path, base_id: str, name: str | None, places: Iterable[Path]) -> Path:
    """As `base` in the checkpoint's folder and the two above it, beside the checkpoint, and in `places`."""
    here = folder.resolve()
    near = [each / "base" for each in (here, here.parent, here.parent.parent)]
    searched = [here.parent, *map(Path, places)]
    for candidate in near:
        if _id_of(candidate) == base_id:
            return candidate
    for place in searched:
        for candidate in [place, *(sorted(place.iterdir()) if place.is_dir() else [])]:
            if _id_of(candidate) == base_id:
                return candidate
    raise UnfitBaseError(
        f"{folder} is an adapter over {name or base_id[:12]}, and that base is not here: no {MANIFEST} with the sha256 {base_id} in "
        f"{', '.join(map(str, [*near, *searched]))}. Put its folder at {near[0]}."
    )


def _id_of(folder: Path) -> str | None:
    file = folder / MANIFEST
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() and file.stat().st_size <= 2**20 else None


def weight_files(folder: Path) -> list[Path]:
    """One file, or the shards that an index names."""
    if (folder / "model.safetensors").exists():
        return [folder / "model.safetensors"]
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        raise CheckpointError(f"{folder} has no model.safetensors.")
    return [folder / name for name in sorted(set(json.loads(index.read_text())["weight_map"].values()))]


class CheckpointFiles:
    """Adds files to a checkpoint that is being written; each is flushed and hashed."""

    def __init__(self, folder: Path):
        self.folder, self.digests = folder, {}

    def json(self, name: str, value: object) -> None:
        self.bytes(name, _to_json(value))

    def bytes(self, name: str, content: bytes) -> None:
        self.digests[name] = write_durably(self.folder / name, content)

    def tensors(self, name: str, tensors: Mapping[str, torch.Tensor]) -> None:
        self.digests[name] = write_tensors(self.folder / name, tensors)


def write_checkpoint(target: Path, facts: dict, fill: Callable[[CheckpointFiles], None]) -> None:
    """Temporary folder, manifest last, rename. A failure leaves nothing behind."""
    parent = target.resolve().parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary = parent / f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part"
    temporary.mkdir()
    try:
        files = CheckpointFiles(temporary)
        fill(files)
        manifest = {"formatVersion": 1, **facts, "files": dict(sorted(files.digests.items()))}
        write_durably(temporary / MANIFEST, _to_json(manifest))
        sync_folder(temporary)
        temporary.rename(target)
        sync_folder(parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _to_json(value: object) -> bytes:
    """As JavaScript writes it, for a checkpoint's id is the sha256 of such text."""
    return (js_json(value, 2) + "\n").encode("utf-8", "surrogatepass")


def checkpoint_facts(
    base: Checkpoint, *, name: str, stage: str, run: str | None, dataset_sha256: str, lora: LoraShape | None, threads: int
) -> dict:
    """What the manifests of a run that starts from a checkpoint say."""
    return {
        "name": name,
        "stage": stage,
        "parent": base.id,
        **({"lineageBase": base.base_id} if lora is not None else {}),
        "run": run,
        "datasetSha256": dataset_sha256,
        "sourceRevision": None,
        "threadCount": threads,
    }


def write_language_model(folder: Path, base: Checkpoint, lora: LoraShape | None, weights: Mapping[str, torch.Tensor], facts: dict) -> None:
    """Either model.safetensors, complete, or an adapter as PEFT writes it, whose base the manifest names."""

    def fill(files: CheckpointFiles) -> None:
        dtype = {"dtype": "float32"} if lora is None else {}
        files.json("config.json", {**base.config_json, **dtype})
        for name in TOKENIZER_FILES:
            if (base.folder / name).exists():
                files.bytes(name, (base.folder / name).read_bytes())
        if lora is None:
            return files.tensors("model.safetensors", weights)
        files.json(ADAPTER_CONFIG, describe_adapter(base, lora))
        files.tensors(ADAPTER_WEIGHTS, weights)

    write_checkpoint(folder, facts, fill)


def describe_adapter(base: Checkpoint, lora: LoraShape) -> dict:
    """adapter_config.json, as PEFT reads it."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.base_name,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "target_modules": lora.targets,
        "lora_dropout": 0,
        "bias": "none",
        "fan_in_fan_out": base.config.family == "gpt2",
        "inference_mode": True,
    }
