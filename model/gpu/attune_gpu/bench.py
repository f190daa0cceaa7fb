"""`attune-gpu bench`: how fast the stages train and generate, on shapes of random weights, as one JSON object.

FLOPs of a token are 6 N where all N weights are trained (2 forward, 4 backward) and 4 N where an adapter is (no gradients of the base's own);
what is recomputed is not counted. Without a GPU everything runs at toy sizes, which say that it works and nothing of a GPU.
"""

import platform
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import nn

from attune_gpu import __version__
from attune_gpu.bench_trl import TrlSide
from attune_gpu.checkpoint import LoraShape
from attune_gpu.config import read_config
from attune_gpu.generation import BatchedDecode
from attune_gpu.language_model import LanguageModelTrainer
from attune_gpu.machine import Machine
from attune_gpu.memory import is_out_of_memory, language_model_need, trained_count
from attune_gpu.model import Adapter, Transformer, every_layer, new_adapter, rope_frequencies
from attune_gpu.model_config import ModelConfig, parameter_count
from attune_gpu.packing import Example, lay_out
from attune_gpu.ppo_iteration import PpoModels, read_episodes, roll_out, update
from attune_gpu.ppo_learners import PolicyLearner, ValueLearner, ValueModel
from attune_gpu.ppo_objective import new_ppo_state
from attune_gpu.prompts import Prompt
from attune_gpu.rankings import WeightedPair
from attune_gpu.read_lines import Source
from attune_gpu.reward import RankedExample, RewardTrainer
from attune_gpu.reward_model import RewardModel, head_name
from attune_gpu.score_parts import ScoreParts

# Dense bf16 FLOP/s of a device by what its name holds, as their makers state them.
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "GH200": 989e12, "A100": 312e12, "L40S": 362e12, "RTX 4090": 165e12}
LLAMA_1B = ModelConfig("llama", 128_256, 8192, 2048, 8192, 16, 32, 8, 64, 1e-5, True, rope_theta=500_000.0)
LLAMA_8B = ModelConfig("llama", 128_256, 8192, 4096, 14_336, 32, 32, 8, 128, 1e-5, False, rope_theta=500_000.0)
TOY = ModelConfig("llama", 97, 128, 32, 64, 2, 4, 2, 8, 1e-5, True)
DEPENDABLE_ROUNDS = 5


@dataclass(frozen=True)
class Sizes:
    """Of what is measured."""

    rows: int = 8
    row_length: int = 2048
    prompts: int = 16  # of a reward model's step, each with `responses`
    responses: int = 4
    prompt_tokens: int = 256
    response_tokens: int = 128
    episodes: int = 256
    minibatches: int = 4
    tokens_per_batch: int = 16_384


TOY_SIZES = Sizes(rows=2, row_length=32, prompts=2, responses=2, prompt_tokens=8, response_tokens=4, episodes=4, minibatches=2, tokens_per_batch=64)


@dataclass(frozen=True)
class Case:
    name: str
    config: ModelConfig
    lora: LoraShape | None

    @property
    def flops_per_token(self) -> float:
        return (6 if self.lora is None else 4) * parameter_count(self.config)


def cases(is_toy: bool) -> list[Case]:
    small, large = (TOY, TOY) if is_toy else (LLAMA_1B, LLAMA_8B)
    names = ("full-toy", "lora-toy") if is_toy else ("full-1b", "lora-8b")
    return [Case(names[0], small, None), Case(names[1], large, LoraShape(16, 32, every_layer(large)))]


def run_bench(machine: Machine, rounds: int = DEPENDABLE_ROUNDS, is_toy: bool | None = None) -> dict:
    is_toy = machine.device.type != "cuda" if is_toy is None else is_toy
    sizes = TOY_SIZES if is_toy else Sizes()
    return {
        "isToy": is_toy,
        "note": "Toy sizes: that it runs, and nothing about a GPU." if is_toy else f"Medians of {rounds} rounds after one that is not counted.",
        "hardware": {**machine.describe(), "precision": machine.precision, "isCompiled": machine.compiles, "peakFlops": peak_flops(machine)},
        "versions": {"attune-gpu": __version__, "torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version()},
        "sizes": asdict(sizes),
        "cases": [measure(case, sizes, machine, rounds) for case in cases(is_toy)],
    }


def peak_flops(machine: Machine) -> float | None:
    name = machine.describe().get("name", "")
    return next((peak for known, peak in PEAK_FLOPS.items() if known in name), None) if machine.precision == "bf16" else None


def measure(case: Case, sizes: Sizes, machine: Machine, rounds: int) -> dict:
    parts = {"sft": measure_sft, "reward": measure_reward, "ppo": measure_ppo}
    facts = {"name": case.name, "parameters": parameter_count(case.config), "trained": trained_count(case.config, case.lora)}
    return {**facts, **{name: _or_why(lambda work=work: work(case, sizes, machine, rounds), machine) for name, work in parts.items()}}


def _or_why(work: Callable[[], dict], machine: Machine) -> dict:
    """What does not fit is said, and costs no other figure."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return {"failed": "out of memory"}
    finally:
        if machine.device.type == "cuda":
            torch.cuda.empty_cache()


def measure_sft(case: Case, sizes: Sizes, machine: Machine, rounds: int) -> dict:
    """Rows of one example each; the used memory stands beside what was expected."""
    settings = {**settings_of("sft"), "rowsPerBatch": sizes.rows, "rowLength": sizes.row_length, "recompute": False}
    need = language_model_need(case.config, case.lora, machine, settings)
    settings["recompute"] = need.total > 0.9 * machine.describe()["memoryBytes"]
    need = language_model_need(case.config, case.lora, machine, settings)
    model, adapter, trained = random_model(case, machine)
    trainer = LanguageModelTrainer(model, adapter, trained, settings, machine)
    tokens = [at % (case.config.vocabulary_size - 1) for at in range(sizes.row_length)]
    batch = lay_out([[Example(tokens, [True] * len(tokens))]] * sizes.rows, sizes.row_length, sizes.rows)
    _reset_peak(machine)
    seconds = timed(lambda step: trainer.step([batch], step, 1e-6, lambda loss: True), machine, rounds)
    figures = throughput(sizes.rows * sizes.row_length, seconds, case.flops_per_token, machine)
    used = torch.cuda.max_memory_allocated(machine.device) if machine.device.type == "cuda" else None
    return {**figures, "recompute": settings["recompute"], "expectedBytes": need.total, "usedBytes": used}


def measure_reward(case: Case, sizes: Sizes, machine: Machine, rounds: int) -> dict:
    """K-wise, each prompt computed once for its responses."""
    settings = {**settings_of("reward"), "tokensPerBatch": sizes.tokens_per_batch, "headLrFactor": 1}
    model, adapter, trained, head = random_reward_model(case, machine)
    trainer = RewardTrainer(model, adapter, {**trained, head_name(case.lora): head}, case.lora, settings, machine)
    pairs = tuple(WeightedPair(0, other, 1.0) for other in range(1, sizes.responses))
    prompt, response = range(1, 1 + sizes.prompt_tokens), range(2, 2 + sizes.response_tokens)
    one = RankedExample(_within(prompt, case), [_within(response, case)] * sizes.responses, pairs)
    seconds = timed(lambda step: trainer.step([one] * sizes.prompts, step, 1e-6, lambda loss: True), machine, rounds)
    return throughput(sizes.prompts * one.tokens, seconds, case.flops_per_token, machine)


def measure_ppo(case: Case, sizes: Sizes, machine: Machine, rounds: int) -> dict:
    """Whole iterations by phase; TRL's take turns with ours where it is installed and all weights are trained."""
    settings = ppo_settings(sizes)
    models = random_ppo_models(case, machine, settings)
    prompts = random_prompts(case.config, sizes)
    theirs = TrlSide.open(case, sizes, settings, machine, [list(prompt.tokens) for prompt in prompts])
    phases, their_seconds = [], []
    for round_number in range(rounds + 1):
        phases.append(iterate(models, prompts, settings, round_number))
        if theirs.trainer is not None:
            their_seconds.append(theirs.iterate())
    medians = {name: statistics.median(each[name] for each in phases[1:]) for name in phases[0]}
    tokens = sizes.episodes * (sizes.prompt_tokens + sizes.response_tokens)
    total = statistics.median(sum(each.values()) for each in phases[1:])
    figures = throughput(tokens, medians["update"], 2 * case.flops_per_token, machine)  # the policy's and the value function's
    beside = {"trl": theirs.version, "why": theirs.why}
    if their_seconds:
        beside |= {"seconds": statistics.median(their_seconds[1:]), "ratio": statistics.median(their_seconds[1:]) / total}
    return {
        "update": figures,
        "generation": {"rows": sizes.episodes, "tokensPerSecond": sizes.episodes * sizes.response_tokens / medians["generation"]},
        "iteration": {"seconds": total, "phases": medians},
        "beside": beside,
    }


def iterate(models: PpoModels, prompts: list[Prompt], settings: dict, step: int) -> dict[str, float]:
    """Seconds by phase."""
    episodes, sampling = roll_out(models, prompts, settings, step, "in the bench")
    _, _, reading = read_episodes(models, episodes, new_ppo_state(settings), settings)
    *_, seconds = update(models, episodes, step, settings["lr"], settings, None)
    return {**sampling, "policy": reading["update"], "reference": reading["reference"], "value": reading["value"], "update": seconds}


def timed(work: Callable[[int], object], machine: Machine, rounds: int) -> float:
    """Median seconds of a round; the first one warms up."""
    seconds = []
    for at in range(rounds + 1):
        started = machine.now()
        work(at)
        seconds.append(machine.now() - started)
    return statistics.median(seconds[1:])


def throughput(tokens: int, seconds: float, flops_per_token: float, machine: Machine) -> dict:
    peak = peak_flops(machine)
    return {"tokensPerSecond": tokens / seconds, "mfu": None if peak is None else tokens * flops_per_token / seconds / peak}


def settings_of(stage: str) -> dict:
    return read_config(stage, {"model": "random", "data": ["none"], "output": "none", **({"rewardModels": ["random"]} if stage == "ppo" else {})})


def ppo_settings(sizes: Sizes) -> dict:
    own = {"episodesPerIteration": sizes.episodes, "responseTokens": sizes.response_tokens, "minibatches": sizes.minibatches}
    rest = {"tokensPerBatch": sizes.tokens_per_batch, "lr": 1e-6, "valueLr": 1e-6, "criticWarmup": 0, "unfinishedScore": None}
    return {**settings_of("ppo"), **own, **rest}


def random_prompts(config: ModelConfig, sizes: Sizes) -> list[Prompt]:
    tokens = torch.randint(0, config.vocabulary_size - 1, (sizes.episodes, sizes.prompt_tokens), generator=torch.Generator().manual_seed(1)).tolist()
    return [Prompt([{"role": "user", "content": ""}], None, None, Source("bench", 1), tuple(row)) for row in tokens]


def random_model(case: Case, machine: Machine, has_head: bool = True) -> tuple[Transformer, Adapter | None, dict]:
    model = random_weights(case.config, machine, torch.float32 if case.lora is None else machine.frozen_dtype, has_head)
    if case.lora is None:
        return model, None, dict(model.requires_grad_(True).named_parameters())
    adapter = new_adapter(case.config, case.lora, 1).to(machine.device).trainable()
    return model, adapter, dict(adapter.parameters)


def random_weights(config: ModelConfig, machine: Machine, dtype: torch.dtype, has_head: bool = True) -> Transformer:
    with torch.device("meta"):
        model = Transformer(config, has_head).to(dtype)
    model = model.to_empty(device=machine.device)
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 0.02) if p.dim() > 1 else p.fill_(1)
    model.body.frequencies = rope_frequencies(config).to(machine.device)
    return model.requires_grad_(False)


def random_reward_model(case: Case, machine: Machine) -> tuple[Transformer, Adapter | None, dict, nn.Parameter]:
    headless = replace(case, config=replace(case.config, tie_embeddings=True))
    model, adapter, trained = random_model(headless, machine)
    return model, adapter, trained, nn.Parameter(torch.full((1, case.config.hidden_size), 0.01, device=machine.device))


def random_ppo_models(case: Case, machine: Machine, settings: dict) -> PpoModels:
    """As the stage has them: of an adapter all stand over one base."""
    model, adapter, trained = random_model(case, machine)
    if case.lora is None:
        reference = random_weights(case.config, machine, machine.frozen_dtype), None
        value_model, value_adapter, value_trained, head = random_reward_model(case, machine)
        judge_model, judge_adapter = random_weights(replace(case.config, tie_embeddings=True), machine, machine.frozen_dtype), None
    else:
        others = [new_adapter(case.config, case.lora, seed).to(machine.device) for seed in (1, 2, 3)]
        reference, judge_adapter, value_adapter = (model, others[0]), others[1], others[2].trainable()
        value_model = judge_model = model
        value_trained = dict(value_adapter.parameters)
        head = nn.Parameter(torch.full((1, case.config.hidden_size), 0.01, device=machine.device))
    judge = RewardModel(judge_model, judge_adapter, head.detach().clone(), torch.zeros(1, device=machine.device), None, machine)
    value = ValueModel(value_model, value_adapter, head, None, {**value_trained, head_name(case.lora): head})
    generator = BatchedDecode(model, lambda: adapter, [], machine)
    policy = PolicyLearner(model, adapter, trained, reference, settings, machine)
    return PpoModels(policy, ValueLearner(value, 0.0, settings, machine), generator, ScoreParts(settings, [judge], {}), lambda tokens: "")


def _within(tokens: range, case: Case) -> list[int]:
    return [token % case.config.vocabulary_size for token in tokens]


def _reset_peak(machine: Machine) -> None:
    if machine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(machine.device)
