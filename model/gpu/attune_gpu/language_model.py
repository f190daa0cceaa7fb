"""A language model being trained, which pretraining and SFT share: packed rows in, its weights or an adapter out."""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from attune_gpu.checkpoint import ADAPTER_WEIGHTS, Checkpoint, LoraShape, open_checkpoint, write_language_model
from attune_gpu.distributed import first, gathered, share, together, total, whole
from attune_gpu.dropout import dropout_of
from attune_gpu.errors import ConfigError
from attune_gpu.generation import BatchedDecode
from attune_gpu.machine import Machine
from attune_gpu.memory import language_model_need, within_memory
from attune_gpu.model import Adapter, Transformer, every_layer, keep_all, load_transformer, new_adapter, token_logprobs
from attune_gpu.optimizer import Optimizer
from attune_gpu.packing import Batch, DataOrder, Example, evaluation_batches
from attune_gpu.run_folder import link_base
from attune_gpu.run_loop import Hooks, Objective, Report, find_resumable, run_loop
from attune_gpu.safetensors_file import read_tensors
from attune_gpu.training_state import read_moments


@dataclass(frozen=True)
class SamplePrompt:
    text: str
    tokens: list[int]
    source: object  # the line of data it was taken from; None: it was given


def choose_lora(asked: dict | None, base: Checkpoint) -> LoraShape | None:
    """A new adapter over a bare base, or a copy of the one it starts from, in that one's shape. None: every weight is trained."""
    if asked is None:
        return None
    has = base.adapter
    if has is None:
        return LoraShape(asked["rank"] or 16, asked["alpha"] or 32, asked["targets"] or every_layer(base.config))
    pairs = [("rank", asked["rank"], has.rank), ("alpha", asked["alpha"], has.alpha)]
    pairs.append(("targets", asked["targets"] and sorted(asked["targets"]), sorted(has.targets)))
    others = [
        f"lora.{key}: {wanted} is asked for, but {base.manifest['name']} is an adapter with {found}, and its training goes on."
        for key, wanted, found in pairs
        if wanted is not None and wanted != found
    ]
    if others:
        raise ConfigError("\n".join([*others, "Leave it out, or start from the base for a new adapter."]))
    return has


def load_trained(base: Checkpoint, lora: LoraShape | None, seed: int, machine: Machine, resume_from: Path | None) -> tuple[Transformer, Adapter | None, dict[str, Tensor]]:
    """The model, its adapter, and what of them is trained, by the names of files: where an interrupted run stands, or the start's."""
    if lora is None:
        weights = base.complete_weights() if resume_from is None else read_tensors(resume_from / "model.safetensors")
        model = load_transformer(base.config, weights, machine.device)  # master weights stay in single precision
        trained = {name: p for name, p in model.named_parameters() if name in weights}
        model.requires_grad_(True)
        return model, None, trained
    model = load_transformer(base.config, base.base_weights(), machine.device, machine.frozen_dtype)
    adapter = new_adapter(base.config, lora, seed)
    start = resume_from or (base.folder if base.adapter else None)
    if start is not None:
        stored = read_tensors(start / ADAPTER_WEIGHTS)
        adapter = Adapter(lora, {name: stored[name] for name in adapter.parameters})
    adapter = adapter.to(machine.device).trainable()
    return model, adapter, dict(adapter.parameters)


class LanguageModelTrainer:
    """Loss, gradients and one update of what is trained."""

    def __init__(self, model: Transformer, adapter: Adapter | None, trained: dict[str, nn.Parameter], settings: dict, machine: Machine):
        self.model, self.adapter, self.trained, self.settings, self.machine = model, adapter, trained, settings, machine
        self.optimizer = Optimizer(trained, settings)
        model.recompute, model.flexes = settings["recompute"], machine.flexes
        self.forward = torch.compile(model) if machine.compiles else model

    def summed_loss(self, batch: Batch, drop=None) -> Tensor:
        """Nats over all counted tokens of a batch. Only rows that predict something go through the head, by far the widest matrix."""
        device = self.machine.device
        ids, positions, groups, parts, labels = (t.to(device) for t in (batch.ids, batch.positions, batch.groups, batch.parts, batch.labels))
        with self.machine.autocast():
            hidden = self.forward(ids, positions, self.model.mask(groups, parts), self.adapter, drop=drop or keep_all)
            kept = labels >= 0
            return -token_logprobs(hidden[kept], self.model.head, labels[kept]).sum()

    def step(self, batches: list[Batch], step: int, lr: float, accepts) -> Report:
        """One update on the mean loss over all counted tokens of its batches."""
        started = self.machine.now()
        counted, loss = sum(batch.counted for batch in batches), 0.0
        for at, batch in enumerate(batches):
            rows, counts = share(len(batch.ids))
            part = counts * self.summed_loss(batch.only(rows), self._dropout(step, at, batch, rows)) / counted
            part.backward()
            loss += part.item()
        loss = total(loss)
        differentiated = self.machine.now()
        norm, applied = self.optimizer.step(lr) if accepts(loss) else self.optimizer.discard()
        seconds = {"gradient": differentiated - started, "update": self.machine.now() - differentiated}
        return Report(loss, norm, applied, sum(batch.real_tokens for batch in batches), seconds)

    def _dropout(self, step: int, at: int, batch: Batch, rows: list[int]):
        config, rate = self.model.config, self.settings["dropout"]
        place = {"seed": self.settings["seed"], "step": step, "batch": at, "shape": tuple(batch.ids.shape)}
        return dropout_of(config.layer_count, config.hidden_size, rate, **place, only=(rows,), device=self.machine.device)

    @torch.no_grad()
    def evaluate(self, batches: list[Batch]) -> float:
        """Mean loss over all counted tokens, in nats."""
        counted, loss = sum(batch.counted for batch in batches), 0.0
        for batch in batches:
            rows, counts = share(len(batch.ids))
            loss += counts * self.summed_loss(batch.only(rows)).item()
        return total(loss) / counted


class LanguageModelObjective(Objective):
    def __init__(self, trainer: LanguageModelTrainer, order: DataOrder, validation: list[Batch], base: Checkpoint, lora, facts: dict, prompts):
        self.trainer, self.order, self.base, self.lora, self.facts, self.prompts = trainer, order, base, lora, facts, prompts
        self.total_steps = order.total_steps
        if validation:
            self.evaluate = lambda step: {"validationLoss": trainer.evaluate(validation)}
        if prompts and trainer.settings["sampleTokens"] > 0:
            self.sample_prompts = [(prompt.text, prompt.source) for prompt in prompts]
            self.respond = self._respond

    def epoch_of(self, step: int) -> int:
        return self.order.epoch_of(step)

    def advance(self, step, lr, accepts):
        batches = self.order.batches(step)
        return self.trainer.step(batches, step, lr, accepts) if batches else None

    def write_weights(self, folder: Path) -> None:
        weights = whole(self.trainer.trained)
        first(lambda: write_language_model(folder, self.base, self.lora, weights, self.facts))

    def moments(self) -> dict[str, Tensor]:
        return self.trainer.optimizer.moments()

    def optimizer_steps(self) -> int:
        return self.trainer.optimizer.step_count

    def _respond(self, folder: Path | None) -> list[str]:
        trainer, settings = self.trainer, self.trainer.settings
        model, adapter = trainer.model, trainer.adapter
        if folder is not None:
            checkpoint = open_checkpoint(folder, [self.base.base_folder])
            model, adapter = load_for_reading(checkpoint, trainer.machine, trainer.model if self.lora else None)
        decode = BatchedDecode(model, lambda: adapter, self.base.tokenizer.end_token_ids, trainer.machine)
        room = max(1, self.base.config.context_length - settings["sampleTokens"])
        asked = [prompt.tokens[-room:] for prompt in self.prompts]
        options = {"seed": settings["seed"], "most_tokens": settings["sampleTokens"], "temperature": settings["sampleTemperature"]}
        with gathered(model):
            sampled = together(asked, lambda own: decode.sample(own, [(0, 0)] * len(own), **options))
        return [self.base.tokenizer.decode(each.tokens) for each in sampled]


def load_for_reading(checkpoint: Checkpoint, machine: Machine, shared: Transformer | None) -> tuple[Transformer, Adapter | None]:
    """A checkpoint as it answers; over a base that is in memory already where there is one."""
    model = shared or load_transformer(checkpoint.config, checkpoint.base_weights(), machine.device, machine.frozen_dtype)
    if checkpoint.adapter is None:
        return model, None
    return model, Adapter(checkpoint.adapter, checkpoint.adapter_weights()).to(machine.device)


def train_language_model(settings: dict, **given) -> dict:
    """The summary of the run."""
    config, lora = given["base"].config, settings["lora"] and LoraShape(**settings["lora"])
    machine, tell = given["machine"], given["hooks"].on_event
    with within_memory(partial(language_model_need, config, lora, machine), settings["stage"], settings, machine, tell):
        return _train(settings, **given)


def _train(
    settings: dict,
    *,
    base: Checkpoint,
    training: list[Example],
    validation: list[Example],
    mix: tuple[list[Example], float] | None,
    prompts: list[SamplePrompt],
    facts: dict,
    machine: Machine,
    hooks: Hooks,
) -> dict:
    started = time.perf_counter()
    # 1. The order of the data is known before anything is computed.
    length, lora = settings["rowLength"], settings["lora"] and LoraShape(**settings["lora"])
    order = DataOrder(training, settings, length, mix)
    held_out = evaluation_batches(validation, length, settings["rowsPerBatch"])

    # 2. Weights: the base's, or where an interrupted run of the same configuration stands.
    sha256, resumable = find_resumable(settings, facts["datasetSha256"], base.id)
    if lora is not None:
        link_base(Path(settings["output"]), base)
    model, adapter, trained = load_trained(base, lora, settings["seed"], machine, resumable and resumable[0])
    trainer = LanguageModelTrainer(model, adapter, trained, settings, machine)
    if resumable:
        trainer.optimizer.restore(read_moments(resumable[0] / "state", trained), resumable[1]["optimizerSteps"])

    # 3. The run.
    objective = LanguageModelObjective(trainer, order, held_out, base, lora, facts, prompts)
    summary = run_loop(settings, objective, start=base.folder, sha256=sha256, resumable=resumable, hooks=hooks)
    return {**summary, "seconds": time.perf_counter() - started}
