"""A reward model: the transformer without its vocabulary, a score head, and what its checkpoint is written as (docs/formats.md)."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from attune_gpu.checkpoint import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    ENSEMBLE,
    TOKENIZER_FILES,
    Checkpoint,
    CheckpointFiles,
    LoraShape,
    describe_adapter,
    write_checkpoint,
)
from attune_gpu.distributed import parameters_here, together
from attune_gpu.errors import UnfitBaseError
from attune_gpu.groups import Group, GroupBatch, cut_into_batches, lay_out_groups
from attune_gpu.machine import Machine
from attune_gpu.model import PEFT_PREFIX, Adapter, Transformer, keep_all, load_transformer

ARCHITECTURES = {"llama": "LlamaForSequenceClassification", "qwen2": "Qwen2ForSequenceClassification", "gpt2": "GPT2ForSequenceClassification"}
IMPOSSIBLE_BYTES = {0xC0, 0xC1, *range(0xF5, 0x100)}  # in no UTF-8


def head_name(lora: LoraShape | None) -> str:
    return "score.weight" if lora is None else f"{PEFT_PREFIX}score.weight"


def group_states(model: Transformer, batch: GroupBatch, adapter: Adapter | None, layers: int | None, drop=None) -> Tensor:
    """(T, hidden) of the tokens of prompts and responses; a prompt is computed once for all of its responses."""
    mask = model.mask(batch.groups, batch.parts)
    return model(batch.ids, batch.positions, mask, adapter, layers=layers, drop=drop or keep_all)[0]


@dataclass
class RewardModel:
    """Frozen, as its checkpoint has it; over a base that is in memory already where it is of the same lineage."""

    model: Transformer
    adapter: Adapter | None
    head: Tensor  # (members, hidden)
    bias: Tensor  # (members) what is added to each member's product
    layers: int | None
    machine: Machine

    @classmethod
    def load(cls, checkpoint: Checkpoint, machine: Machine, shared: tuple[str, Transformer] | None = None) -> "RewardModel":
        if not checkpoint.is_reward_model:
            raise UnfitBaseError(
                f"{checkpoint.folder} is no reward model ({checkpoint.manifest['name']} is of the stage {checkpoint.manifest['stage']}). "
                "Give a checkpoint that attune reward trained."
            )
        is_shared = shared is not None and shared[0] == checkpoint.base_id and checkpoint.adapter is not None
        model = shared[1] if is_shared else load_headless(checkpoint, machine)
        adapter = None
        if checkpoint.adapter is not None:
            stored = {name: p for name, p in checkpoint.adapter_weights().items() if ".lora_" in name}
            adapter = Adapter(checkpoint.adapter, stored).to(machine.device)
        ensemble = checkpoint.ensemble()
        head, bias = ensemble if ensemble else (checkpoint.score_head(), torch.tensor([checkpoint.score_bias]))
        return cls(model, adapter, head.to(machine.device), bias.to(machine.device), checkpoint.config.layer_count, machine)

    @torch.no_grad()
    def score(self, groups: list[Group], most_tokens: int = 8192) -> Tensor:
        """(R, members), group by group; their mean is the score."""

        def score_together(own: list[Group]) -> list[Tensor]:
            batch = lay_out_groups(own).to(self.machine.device)
            with self.machine.autocast():
                states = group_states(self.model, batch, self.adapter, self.layers)
            scores = F.linear(states[batch.ends].float(), self.head) + self.bias
            return list(scores.cpu().split([len(group.responses) for group in own]))

        return torch.cat([scores for own in cut_into_batches(groups, most_tokens) for scores in together(own, score_together)])

    def sha256(self) -> str:
        """Of what was trained, as it is in the memory of this process."""
        digest = hashlib.sha256()
        for tensor in [self.head, self.bias, *(self.adapter.parameters.values() if self.adapter else parameters_here(self.model))]:
            digest.update(tensor.detach().float().cpu().numpy().tobytes())
        return digest.hexdigest()


def load_headless(checkpoint: Checkpoint, machine: Machine, dtype: torch.dtype | None = None) -> Transformer:
    """The base's weights without the vocabulary's head: what is scored is not continued."""
    weights = checkpoint.base_weights()
    weights.pop("lm_head.weight", None)
    return load_transformer(checkpoint.config, weights, machine.device, dtype or machine.frozen_dtype)


def unused_token(base: Checkpoint) -> tuple[int, str | None]:
    """A token for padding that occurs in no text, and its content where the tokenizer may name it as its PAD too.

    transformers reads the score at the last token that is not PAD, and chat models pad with the token that ends a response.
    """
    tokenizer, size = base.tokenizer, base.config.vocabulary_size
    tokens, _ = tokenizer.render([{"role": role, "content": "a"} for role in ("user", "assistant", "user")])
    named = [tokenizer.token_id(token) for key in ("bos", "eos", "unk") if (token := tokenizer.special[key]) is not None]
    taken = {*tokens, *tokenizer.end_token_ids, *named}
    ids = range(min(tokenizer.vocabulary_size, size))
    special = next((at for at in ids if at in tokenizer.special_ids and at not in taken), None)
    if special is not None:
        return special, tokenizer.decode([special], special=True)
    # Byte-level BPE writes each of these bytes as the character of its number; byte fallback spells it out.
    spelled = {text for byte in IMPOSSIBLE_BYTES for text in (chr(byte), f"<0x{byte:02X}>")}
    byte = next((at for at in ids if tokenizer.library.id_to_token(at) in spelled), None)
    if byte is not None:
        return byte, None
    if size > tokenizer.vocabulary_size:
        return size - 1, None
    raise UnfitBaseError(f"{base.folder}: every token of its vocabulary may occur in text, so none is left to pad with. Start from a model with one.")


def write_reward_model(
    folder: Path, base: Checkpoint, lora: LoraShape | None, trained: dict[str, Tensor], facts: dict, member_biases: Tensor | None
) -> None:
    """Of an ensemble the head in the weights is the mean of its members, which stand apart: other tools load the mean."""
    name = head_name(lora)
    more = {} if member_biases is None else {"ensemble": len(member_biases)}

    def fill(files: CheckpointFiles) -> None:
        _write_surroundings(files, base, {"dtype": "float32"} if lora is None else {})
        weights = dict(trained)
        if member_biases is not None:
            files.tensors(ENSEMBLE, {"score.weight": trained[name], "score.bias": member_biases})
            weights[name] = trained[name].detach().mean(0, keepdim=True)
        if lora is None:
            return files.tensors("model.safetensors", weights)
        files.json(ADAPTER_CONFIG, {**describe_adapter(base, lora), "task_type": "SEQ_CLS", "modules_to_save": ["score"]})
        files.tensors(ADAPTER_WEIGHTS, weights)

    write_checkpoint(folder, {**facts, **more}, fill)


def _write_surroundings(files: CheckpointFiles, base: Checkpoint, dtype: dict) -> None:
    """config.json of the other head, and the tokenizer of the checkpoint it started from with a PAD that no text has."""
    pad, content = unused_token(base)
    config, count = dict(base.config_json), base.config.layer_count
    config["n_layer" if base.config.family == "gpt2" else "num_hidden_layers"] = count
    if isinstance(config.get("layer_types"), list):
        config["layer_types"] = config["layer_types"][:count]
    config["architectures"] = [ARCHITECTURES[base.config.family]]
    files.json("config.json", {**config, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}, "pad_token_id": pad, **dtype})
    for name in TOKENIZER_FILES:
        source = base.folder / name
        if not source.exists() or name == "generation_config.json":  # text is never generated
            continue
        if name in ("tokenizer_config.json", "special_tokens_map.json") and content is not None:
            files.json(name, {**json.loads(source.read_text("utf-8")), "pad_token": content})
        else:
            files.bytes(name, source.read_bytes())
