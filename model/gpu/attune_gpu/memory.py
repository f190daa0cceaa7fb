"""What a run takes of memory, told before it starts; and what to lower, by how much, where that was too much.

What a layer keeps for the backward pass is not a formula: the model itself is run over tensors without content, and what it keeps is counted.
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from attune_gpu.checkpoint import LoraShape
from attune_gpu.errors import MachineError
from attune_gpu.generation import MOST_ROWS, PREFILL_TOKENS, PROMPT_BUCKET
from attune_gpu.machine import Machine
from attune_gpu.model import MOST_LOGITS, PEFT_PREFIX, Adapter, Transformer, adapted_layers
from attune_gpu.model_config import ModelConfig, parameter_count

# What of a stage's settings memory grows with, in the order in which to lower it.
SIZES = {
    "pretrain": ["rowsPerBatch", "rowLength"],
    "sft": ["rowsPerBatch", "rowLength"],
    "reward": ["tokensPerBatch"],
    "ppo": ["tokensPerBatch", "episodesPerIteration"],
}
USABLE = 0.9  # of the memory: kernels, fragments and the driver have the rest
SINGLE, DOUBLE = 4, 8


@dataclass(frozen=True)
class Need:
    """Bytes by what they are for. `update` and `generation` take turns; of one batch a step gradients come as activations go."""

    always: dict[str, int]
    update: dict[str, int]
    generation: dict[str, int]
    gradients: int = 0
    batches: int = 2  # of a step, before the optimiser takes it; what counts is whether there are several

    @property
    def total(self) -> int:
        own = sum(self.update.values())
        update = own + self.gradients if self.batches > 1 else max(own, self.gradients)
        return sum(self.always.values()) + max(update, sum(self.generation.values()))

    @property
    def parts(self) -> dict[str, int]:
        return {name: size for name, size in {**self.always, "gradients": self.gradients, **self.update, **self.generation}.items() if size}


def is_out_of_memory(error: BaseException) -> bool:
    words = ("out of memory", "can't allocate memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (isinstance(error, RuntimeError) and any(each in str(error) for each in words))


@contextlib.contextmanager
def within_memory(need: Callable[[dict], Need], stage: str, settings: dict, machine: Machine, tell: Callable[[dict], None]) -> Iterator[None]:
    """Tells what the run will take, and what it took; running out says what would fit."""
    limit, expected = machine.describe()["memoryBytes"], _expect(need, settings, tell)
    if expected is not None:
        level = "warn" if expected.total > USABLE * limit else "info"
        tell({"type": "note", "level": level, "text": describe(expected, limit)})
    if machine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(machine.device)
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(need, stage, settings, limit, expected) from error
    if machine.device.type == "cuda" and expected is not None:
        used = torch.cuda.max_memory_allocated(machine.device)
        tell({"type": "note", "level": "info", "text": f"At most {say(used)} of the GPU were in use, {say(expected.total)} were expected."})


def _expect(need: Callable[[dict], Need], settings: dict, tell: Callable[[dict], None]) -> Need | None:
    """No run fails for want of an estimate: it hangs on parts of PyTorch that differ between versions."""
    try:
        return need(settings)
    except Exception as error:
        tell({"type": "note", "level": "warn", "text": f"What the run takes of memory could not be told: {type(error).__name__}: {error}"})
        return None


def describe(need: Need, limit: int) -> str:
    parts = ", ".join(f"{name} {say(size)}" for name, size in need.parts.items())
    fact = f"About {say(need.total)} of memory will be in use at once, of {say(limit)} here: {parts}."
    return f"{fact} That is more than fits." if need.total > USABLE * limit else fact


def say(size: float) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def out_of_memory(need: Callable[[dict], Need], stage: str, settings: dict, limit: int, expected: Need | None) -> MachineError:
    fact = f"Out of memory in {stage}." if expected is None else f"Out of memory in {stage}: about {say(expected.total)} of {say(limit)} were expected to be in use."
    remedy = " or ".join(_remedies(need, stage, settings, limit, expected)) or "Take a smaller model, a GPU with more memory, or lora in place of all weights"
    return MachineError(f"{fact} {remedy}. The last checkpoint is whole, and the run goes on from it where these settings stay as they are.")


def _remedies(need: Callable[[dict], Need], stage: str, settings: dict, limit: int, expected: Need | None) -> list[str]:
    """Each fits alone, as far as the estimate goes; where it says that the run should have fitted, half of what it took must do."""
    if expected is None:
        return [f"Halve {key} (now {settings[key]})" for key in SIZES[stage] if settings.get(key)]
    target, found = min(USABLE * limit, 0.75 * expected.total), []
    for key in SIZES[stage]:
        value = settings.get(key)
        while value and value > 1:
            value //= 2
            then = need({**settings, key: value}).total
            if then <= target:
                found.append(f"{'lower' if found else 'Lower'} {key} from {settings[key]} to {value}, which takes about {say(then)}")
                break
    if not settings.get("recompute"):
        then = need({**settings, "recompute": True}).total
        if then <= target:
            found.append(f"{'set' if found else 'Set'} recompute to true (only what enters each layer is kept), which takes about {say(then)}")
    return found


def language_model_need(config: ModelConfig, lora: LoraShape | None, machine: Machine, settings: dict) -> Need:
    """Of pretraining and SFT."""
    shape = settings["rowsPerBatch"], settings["rowLength"]
    trained = trained_count(config, lora)
    return Need(
        {"weights": weight_bytes(config, lora, machine), "moments": 2 * SINGLE * trained},
        update_bytes(config, lora, shape, settings["recompute"], machine),
        {},
        SINGLE * trained,
        settings["batchesPerStep"],
    )


def reward_need(config: ModelConfig, lora: LoraShape | None, machine: Machine, longest: int, settings: dict) -> Need:
    """`longest`: tokens of the longest prompt with its responses, which are never cut apart."""
    config = replace(config, tie_embeddings=True)  # it has no head of its own
    shape, trained = (1, max(longest, settings["tokensPerBatch"]) + 1), trained_count(config, lora)
    update = update_bytes(config, lora, shape, settings["recompute"], machine)
    update.pop("logits")
    return Need({"weights": weight_bytes(config, lora, machine), "moments": 2 * SINGLE * trained}, update, {}, SINGLE * trained)


def ppo_need(
    config: ModelConfig, lora: LoraShape | None, judges: list[tuple[ModelConfig, LoraShape | None, bool]], machine: Machine, longest: int, settings: dict
) -> Need:
    """`judges`: shape, adapter, and whether over the policy's base, the first being the value function too; `longest`: tokens of a prompt."""
    frozen, trained = machine.frozen_dtype.itemsize, trained_count(config, lora)
    judges = [(replace(each, tie_embeddings=True), own, is_shared) for each, own, is_shared in judges]
    value_config, value_lora, is_value_shared = judges[0]
    value_trained = trained_count(value_config, value_lora)
    reference = frozen * parameter_count(config) if lora is None else SINGLE * trained
    scoring = sum(0 if is_shared else frozen * parameter_count(each) for each, _, is_shared in judges)
    value = SINGLE * value_trained if is_value_shared else weight_bytes(value_config, value_lora, machine)
    weights = weight_bytes(config, lora, machine) + reference + scoring + value
    update = update_bytes(config, lora, (1, max(longest, settings["tokensPerBatch"]) + 1), settings["recompute"], machine)
    rows = min(MOST_ROWS, settings["episodesPerIteration"])
    generation = generation_bytes(config, lora, rows, longest, settings["responseTokens"], machine)
    return Need({"weights": weights, "moments": 2 * SINGLE * (trained + value_trained)}, update, generation, SINGLE * max(trained, value_trained))


def trained_count(config: ModelConfig, lora: LoraShape | None) -> int:
    if lora is None:
        return parameter_count(config)
    return sum(lora.rank * (inputs + outputs) for _, inputs, outputs in adapted_layers(config, lora.targets))


def weight_bytes(config: ModelConfig, lora: LoraShape | None, machine: Machine) -> int:
    """What is trained is in single precision, a frozen base in what is computed in."""
    if lora is None:
        return SINGLE * parameter_count(config)
    return machine.frozen_dtype.itemsize * parameter_count(config) + SINGLE * trained_count(config, lora)


def cast_bytes(config: ModelConfig, lora: LoraShape | None, machine: Machine) -> int:
    """The copies that autocast makes of weights in single precision, and holds while it lasts."""
    return machine.frozen_dtype.itemsize * trained_count(config, lora) if machine.precision == "bf16" else 0


def update_bytes(config: ModelConfig, lora: LoraShape | None, shape: tuple[int, int], recompute: bool, machine: Machine) -> dict[str, int]:
    """What is there when the loss is known and the backward pass begins; copies of weights are counted with what layers keep."""
    layer, around = kept_bytes(config, lora, shape, machine)
    tokens = shape[0] * shape[1]
    residual = tokens * config.hidden_size * (machine.frozen_dtype.itemsize if lora else SINGLE)
    layers = config.layer_count
    # Logits, their logarithms, and the gradients of both; in bf16 a copy of single precision too.
    each = 3 * SINGLE + (2 if machine.precision == "bf16" else 0)
    piece = max(1, MOST_LOGITS // config.vocabulary_size) * config.vocabulary_size
    logits = each * min(tokens * config.vocabulary_size, piece)
    # When layers are recomputed, one at a time, the logits are gone.
    kept = layers * residual + max(layer - logits, cast_bytes(config, lora, machine)) if recompute else layers * layer
    return {"activations": kept + around, "logits": logits}


def generation_bytes(config: ModelConfig, lora: LoraShape | None, rows: int, prompt: int, response: int, machine: Machine) -> dict[str, int]:
    size = machine.frozen_dtype.itemsize
    width = max(1, math.ceil(prompt / PROMPT_BUCKET)) * PROMPT_BUCKET
    cache = 2 * config.layer_count * rows * (width + response) * config.kv_head_count * config.head_size * size
    # A layer's own results as they come and go, of as many tokens as are read at once.
    read = min(rows * width, max(width, PREFILL_TOKENS)) * (4 * config.intermediate_size * size + 3 * config.hidden_size * SINGLE)
    drawn = rows * config.vocabulary_size * (size + 2 * SINGLE + 3 * DOUBLE)
    return {"cache": cache, "decode": cast_bytes(config, lora, machine) + max(read, drawn)}


def kept_bytes(config: ModelConfig, lora: LoraShape | None, shape: tuple[int, int], machine: Machine) -> tuple[int, int]:
    """Of one layer, and of all around the layers, for the backward pass of B x T tokens."""
    one, two = (_kept_by(replace(config, layer_count=count), lora, shape, machine) for count in (1, 2))
    return two - one, 2 * one - two


def _kept_by(config: ModelConfig, lora: LoraShape | None, shape: tuple[int, int], machine: Machine) -> int:
    """On the CPU, with tensors of no content: nothing is computed."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    here = Machine(torch.device("cpu"), machine.precision)
    with FakeTensorMode():
        with _default_dtype(torch.float32 if lora is None else here.frozen_dtype):
            model = Transformer(config, has_head=False).requires_grad_(lora is None)
        adapter = None if lora is None else _empty_adapter(config, lora)
        ids, zeros = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        with here.autocast(), counting_kept(model, adapter) as kept:
            model(ids, zeros, model.mask(zeros, zeros), adapter)
    return sum(storage.nbytes() for storage in kept.values())


@contextlib.contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _empty_adapter(config: ModelConfig, lora: LoraShape) -> Adapter:
    parameters = {}
    for layer, inputs, outputs in adapted_layers(config, lora.targets):
        parameters[f"{PEFT_PREFIX}{layer}.lora_A.weight"] = torch.empty(lora.rank, inputs, requires_grad=True)
        parameters[f"{PEFT_PREFIX}{layer}.lora_B.weight"] = torch.empty(outputs, lora.rank, requires_grad=True)
    return Adapter(lora, parameters)


@contextlib.contextmanager
def counting_kept(model: Transformer, adapter: Adapter | None) -> Iterator[dict[int, torch.UntypedStorage]]:
    """Each storage that is kept for the backward pass once, but for the weights themselves."""
    own = [*model.parameters(), *model.buffers(), *(adapter.parameters.values() if adapter else [])]
    weights = {each.untyped_storage()._cdata for each in own}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
