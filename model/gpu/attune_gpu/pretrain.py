"""Pretraining: plain text in, a new model out. The script of `attune-gpu pretrain`."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from attune_gpu.checkpoint import MANIFEST, TOKENIZER_FILES, Checkpoint, CheckpointFiles, open_base, open_checkpoint, write_checkpoint
from attune_gpu.distributed import first
from attune_gpu.documents import read_documents, text_examples
from attune_gpu.errors import ConfigError, UnfitDataError
from attune_gpu.language_model import SamplePrompt, train_language_model
from attune_gpu.machine import Machine, threads_of
from attune_gpu.model_config import expected_tensors, parse_config
from attune_gpu.random_numbers import held_out, normal
from attune_gpu.read_lines import refuse_if
from attune_gpu.run_folder import claim_run_folder
from attune_gpu.run_loop import Hooks
from attune_gpu.train_tokenizer import IDS, train_tokenizer, write_tokenizer


def run_pretrain(config: dict, machine: Machine, hooks: Hooks) -> dict:
    architecture, seed = config["architecture"], config["seed"]
    refuse_contradictions(architecture)
    context = architecture["contextLength"]
    row_length = config["rowLength"] or min(512, context)
    if row_length > context:
        raise ConfigError(f"rowLength: {row_length} is more than architecture.contextLength, {context}")

    # 1. Documents, some of them held out whole; what is unfit is named by file and line.
    documents, problems, sha256 = read_documents(config["data"])
    refuse_if(config["onBadLine"] == "refuse", problems)
    out = held_out(seed, len(documents), config["validationShare"])
    held = [each for at, each in enumerate(documents) if at in out]
    texts = [text for at, (_, text) in enumerate(documents) if at not in out]
    if not texts:
        raise UnfitDataError("There is no text to train on.")

    # 2. A tokenizer, and new weights; made once for the run's folder.
    given = find_tokenizer(config, hooks)
    threads = threads_of(config)
    settings = {**config, "stage": "pretrain", "rowLength": row_length, "threads": threads, "lora": None}
    dataset_sha256 = hooks.facts["datasetSha256"] if hooks.facts else sha256
    facts = {
        "name": config["name"],
        "stage": "pretrain",
        "parent": None,
        "run": hooks.facts["run"] if hooks.facts else None,
        "datasetSha256": dataset_sha256,
        "sourceRevision": None,
        "threadCount": threads,
    }
    output = Path(config["output"])
    with claim_run_folder(output, stage="pretrain", settings=settings, dataset_sha256=dataset_sha256, base=given and given.id):
        source = given or tokenizer_of_text(output / "tokenizer", config, texts)
        base = open_or_create_model(output / "start", source, config, facts)

        # 3. Every document in pieces of a row at most.
        validation = text_examples(base.tokenizer, [text for _, text in held], row_length)
        training = text_examples(base.tokenizer, texts, row_length)
        hooks.on_event({"type": "data", "training": len(training), "validation": len(validation), "leftOut": len(problems)})

        # 4. The run.
        asked = [(text, None) for text in config["samplePrompts"]] if config["samplePrompts"] is not None else _beginnings(held)
        prompts = [SamplePrompt(text, base.tokenizer.encode(text), source) for text, source in asked]
        rows = {"training": training, "validation": validation, "mix": None, "prompts": prompts}
        summary = train_language_model(settings, base=base, **rows, facts=facts, machine=machine, hooks=hooks)
    loss = summary["validationLoss"]
    predicted = sum(len(example.tokens) - 1 for example in validation)
    counts = {"training": len(training), "validation": len(validation), "leftOut": len(problems)}
    bits = None if loss is None else loss * predicted / math.log(2) / sum(len(text.encode()) for _, text in held)
    return {**summary, "stage": "pretrain", **counts, "bitsPerByte": bits}


@dataclass(frozen=True)
class TokenizerSource:
    """Where a new model has its tokenizer from. `id`: of the checkpoint; None: it was made of the text."""

    folder: Path
    id: str | None
    vocabulary_size: int
    bos_token_id: int | None
    eos_token_id: int | None  # ends a turn


def find_tokenizer(config: dict, hooks: Hooks) -> TokenizerSource | None:
    """Another model's, checked; None where one is to be made."""
    if not isinstance(config["tokenizer"], str):
        return None
    base = open_base(config["tokenizer"], hooks.base_places)
    return TokenizerSource(base.folder, base.id, base.config.vocabulary_size, base.config_json.get("bos_token_id"), next(iter(base.config.end_token_ids), None))


def tokenizer_of_text(folder: Path, config: dict, texts: list[str]) -> TokenizerSource:
    """Trained at the first call, found at the next ones."""
    size = config["tokenizer"]["vocabularySize"]
    if not folder.exists():
        write_tokenizer(folder, train_tokenizer(texts, size), config["architecture"]["contextLength"])
    return TokenizerSource(folder, None, size, IDS["bos"], IDS["eos"])


def refuse_contradictions(architecture: dict) -> None:
    """What one setting alone cannot tell."""
    hidden, heads = architecture["hiddenSize"], architecture["headCount"]
    faults = []
    if hidden % heads:
        raise ConfigError(f"architecture.headCount: {heads} heads do not divide a hiddenSize of {hidden}")
    if architecture["family"] == "llama":
        if (hidden // heads) % 2:
            faults.append(f"architecture.headCount: heads of {hidden // heads} are odd (hiddenSize / headCount); rotary positions turn pairs of numbers")
        if heads % architecture["keyValueHeadCount"]:
            faults.append(f"architecture.keyValueHeadCount: {architecture['keyValueHeadCount']} do not divide a headCount of {heads}")
    if faults:
        raise ConfigError("\n".join(faults))


def open_or_create_model(folder: Path, source: TokenizerSource, config: dict, facts: dict) -> Checkpoint:
    """Made at the first call, found at the next ones."""
    first(lambda: None if (folder / MANIFEST).exists() else create_model(folder, source, config, facts))
    return open_checkpoint(folder)


def create_model(folder: Path, source: TokenizerSource, config: dict, facts: dict) -> None:
    """Matrices are normal, scales 1, biases 0; residual projections are not scaled down (docs/formats.md)."""
    config_json = _config_json(config["architecture"], source)
    tensors = {}
    for number, (name, shape) in enumerate(expected_tensors(parse_config(config_json)).items()):
        if len(shape) > 1:
            draws = normal(config["seed"], number, math.prod(shape), config["initializerRange"])
            tensors[name] = torch.from_numpy(draws).reshape(shape)
        else:
            tensors[name] = torch.full(shape, 0.0 if name.endswith(".bias") else 1.0)

    def fill(files: CheckpointFiles) -> None:
        files.json("config.json", config_json)
        for name in TOKENIZER_FILES:
            if (source.folder / name).exists():
                files.bytes(name, (source.folder / name).read_bytes())
        files.tensors("model.safetensors", tensors)

    write_checkpoint(folder, facts, fill)


def _config_json(a: dict, source: TokenizerSource) -> dict:
    common = {
        "vocab_size": source.vocabulary_size,
        "bos_token_id": source.bos_token_id,
        "eos_token_id": source.eos_token_id,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }
    if a["family"] == "gpt2":
        sizes = {"n_embd": a["hiddenSize"], "n_inner": a["intermediateSize"], "n_layer": a["layerCount"], "n_head": a["headCount"]}
        # Left out, transformers would take its own dropout of 0.1 where someone trains the model further.
        rest = {"n_positions": a["contextLength"], "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5}
        dropout = {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}
        return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", **common, **sizes, **rest, **dropout}
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **common,
        "hidden_size": a["hiddenSize"],
        "intermediate_size": a["intermediateSize"],
        "num_hidden_layers": a["layerCount"],
        "num_attention_heads": a["headCount"],
        "num_key_value_heads": a["keyValueHeadCount"],
        "head_dim": a["hiddenSize"] // a["headCount"],
        "max_position_embeddings": a["contextLength"],
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000,
        "hidden_act": "silu",
    }


def _beginnings(held: list) -> list[tuple[str, object]]:
    """About the first forty characters of three documents, cut between words."""
    prompts = []
    for source, text in held[:3]:
        found = re.match(r".{0,40}(?=\s)", text.lstrip(), re.S)
        prompts.append(((found[0].rstrip() if found else "") or text[:40], source))
    return prompts
