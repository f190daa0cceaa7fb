"""The estimate of memory against real tensors: what is kept for the backward pass, and what a step of training allocates in all."""

from functools import partial

import pytest
import torch
from attune_gpu.checkpoint import LoraShape
from attune_gpu.generation import BatchedDecode, DecodeState
from attune_gpu.language_model import LanguageModelTrainer
from attune_gpu.machine import Machine
from attune_gpu.memory import counting_kept, generation_bytes, kept_bytes, language_model_need, out_of_memory
from attune_gpu.model import Transformer, new_adapter, rope_frequencies
from attune_gpu.model_config import ModelConfig
from attune_gpu.packing import Example, lay_out

LORA = LoraShape(8, 16, ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
SIZES = {"vocabulary_size": 2000, "context_length": 256, "hidden_size": 192, "intermediate_size": 512, "layer_count": 3, "head_size": 32, "norm_eps": 1e-5, "tie_embeddings": True}
LLAMA = ModelConfig("llama", head_count=6, kv_head_count=2, **SIZES)
GPT2 = ModelConfig("gpt2", head_count=6, kv_head_count=6, **SIZES)
SETTINGS = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weightDecay": 0.1, "maxGradientNorm": 1, "dropout": 0, "seed": 1, "rowsPerBatch": 4, "rowLength": 128, "batchesPerStep": 1}
CASES = {
    "llama": (LLAMA, None, "fp32", False),
    "llama-bf16": (LLAMA, None, "bf16", False),
    "llama-lora": (LLAMA, LORA, "fp32", False),
    "llama-lora-bf16": (LLAMA, LORA, "bf16", False),
    "llama-recompute": (LLAMA, None, "fp32", True),
    "gpt2": (GPT2, None, "fp32", False),
}


def trainer_of(config: ModelConfig, lora: LoraShape | None, precision: str, recompute: bool) -> LanguageModelTrainer:
    machine = Machine(torch.device("cpu"), precision)
    model = Transformer(config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.02)
    adapter = None
    if lora is not None:
        model = model.to(machine.frozen_dtype).requires_grad_(False)
        model.body.frequencies = rope_frequencies(config)
        adapter = new_adapter(config, lora, 1).trainable()
    trained = dict(model.named_parameters()) if adapter is None else dict(adapter.parameters)
    return LanguageModelTrainer(model, adapter, trained, {**SETTINGS, "recompute": recompute}, machine)


def batch():
    rows = [[Example(list(range(1, 129)), [True] * 128)] for _ in range(4)]
    return lay_out(rows, 128, 4)


def largest_allocation(work) -> int:
    """The most that was allocated at once, beyond what was there before."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    now, most = 0, 0
    for event in sorted(profiled.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    return most


@pytest.mark.parametrize("name", [name for name in CASES if "recompute" not in name])
def test_what_is_kept_for_the_backward_pass_is_counted_without_computing_it(name):
    config, lora, precision, recompute = CASES[name]
    trainer, own = trainer_of(config, lora, precision, recompute), batch()
    with trainer.machine.autocast(), counting_kept(trainer.model, trainer.adapter) as kept:
        trainer.model(own.ids, own.positions, trainer.model.mask(own.groups, own.parts), trainer.adapter)
    real = sum(storage.nbytes() for storage in kept.values())
    layer, around = kept_bytes(config, lora, (4, 128), trainer.machine)
    assert config.layer_count * layer + around == pytest.approx(real, rel=0.01)


@pytest.mark.parametrize("name", CASES)
def test_the_estimate_is_within_a_seventh_of_what_a_step_allocates(name):
    """Measured is the second step, weights and moments counted as they lie there."""
    config, lora, precision, recompute = CASES[name]
    trainer, own = trainer_of(config, lora, precision, recompute), batch()
    trainer.step([own], 0, 1e-4, lambda loss: True)
    weights = {p.untyped_storage()._cdata: p.nbytes for p in [*trainer.model.parameters(), *trainer.trained.values()]}
    there = sum(weights.values()) + sum(each.nbytes for each in trainer.optimizer.moments().values())
    used = there + largest_allocation(lambda: trainer.step([own], 1, 1e-4, lambda loss: True))
    need = language_model_need(config, lora, trainer.machine, {**SETTINGS, "recompute": recompute})
    assert need.total == pytest.approx(used, rel=0.15), (need, used)


def test_recomputing_and_smaller_batches_take_less_and_an_8b_model_is_counted_in_a_moment():
    """Nothing of its 16 GB is made; its weights in bf16 are 2 bytes each."""
    big = ModelConfig("llama", 128_256, 8192, 4096, 14_336, 32, 32, 8, 128, 1e-5, False)
    settings = {**SETTINGS, "rowsPerBatch": 4, "rowLength": 2048}
    machine = Machine(torch.device("cpu"), "bf16")
    need, less = (language_model_need(big, LORA, machine, {**settings, "recompute": each}) for each in (False, True))
    assert need.parts["weights"] == pytest.approx(16.1e9, rel=0.01)
    assert less.total < 0.5 * need.total
    told = str(out_of_memory(partial(language_model_need, big, LORA, machine), "sft", {**settings, "recompute": False}, 40_000_000_000, need))
    assert "Lower rowsPerBatch from 4 to" in told and "or set recompute to true (only what enters each layer is kept), which takes about" in told
    half = language_model_need(big, LORA, machine, {**settings, "rowsPerBatch": 2, "recompute": False})
    assert half.update["activations"] == pytest.approx(need.update["activations"] / 2, rel=0.02)


def test_the_cache_of_a_decode_is_as_large_as_was_told_and_stays_where_it_is():
    """What a CUDA graph replays writes to the same addresses at each step."""
    trainer = trainer_of(LLAMA, None, "fp32", False)
    decode = BatchedDecode(trainer.model, lambda: None, [7], trainer.machine)
    state = DecodeState(decode, 3, 32, 32 + 5, torch.zeros(3, dtype=torch.long), torch.full((3, 5), 0.5, dtype=torch.float64), 1.0)
    with torch.no_grad():
        state.prefill(torch.ones(3, 32, dtype=torch.long))
        held = [state.cache.memory, state.cache.at, state.last, state.tokens, state.logprobs, state.ended, state.done, state.draws]
        addresses = [each.data_ptr() for each in held]
        state.advance()
        state.advance()
    after = [state.cache.memory, state.cache.at, state.last, state.tokens, state.logprobs, state.ended, state.done, state.draws]
    assert [each.data_ptr() for each in after] == addresses and int(state.done) == 3 and int(state.cache.at) == 34
    assert state.cache.memory.nbytes == generation_bytes(LLAMA, None, 3, 30, 5, trainer.machine)["cache"]
