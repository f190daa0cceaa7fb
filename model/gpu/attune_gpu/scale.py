"""What a run needs by the size of its model: bytes of weights, gradients, moments, activations and caches; the tables of docs/scale.md.

Plain arithmetic on shapes, in the way that a plan is made on paper; nothing of it is measured.
"""

from dataclasses import dataclass

from attune_gpu.model_config import ModelConfig, expected_tensors, parameter_count

GPU_BYTES, USABLE = 80e9, 0.9  # the rest is fragments, buffers of NCCL, CUDA itself
TOKENS, LOGITS = 8192, 2e9  # of one process at once; what a piece of the vocabulary's logits takes, forward and backward
RANK = 16


def llama(vocabulary: int, hidden: int, inner: int, layers: int, heads: int, kv_heads: int, size: int, tied: bool) -> ModelConfig:
    return ModelConfig("llama", vocabulary, 8192, hidden, inner, layers, heads, kv_heads, size, 1e-5, tied)


MODELS = {
    "1B": llama(128_256, 2048, 8192, 16, 32, 8, 64, True),
    "3B": llama(128_256, 3072, 8192, 28, 24, 8, 128, True),
    "8B": llama(128_256, 4096, 14_336, 32, 32, 8, 128, False),
    "13B": llama(32_000, 5120, 13_824, 40, 40, 40, 128, False),
    "70B": llama(128_256, 8192, 28_672, 80, 64, 8, 128, False),
    "175B": ModelConfig("gpt2", 50_257, 2048, 12_288, 49_152, 96, 96, 96, 128, 1e-5, True),
}


@dataclass(frozen=True)
class Needs:
    """Bytes, of all processes together; those of activations and cache for one token."""

    parameters: int
    adapter: int  # parameters of one, beside every matrix
    full: int  # single-precision weights and gradients, two moments: 4 + 4 + 8
    lora: int  # the base in bf16, and an adapter as above
    layer: int  # one layer gathered in bf16
    activations: int
    recomputed: int
    within_layer: int  # what of one layer is made again backward, beside `recomputed`
    cache: int
    ppo_full: int
    ppo_lora: int


def needs(config: ModelConfig) -> Needs:
    c, parameters = config, parameter_count(config)
    matrices = [shape for name, shape in expected_tensors(c).items() if len(shape) == 2 and any(part.isdigit() for part in name.split("."))]
    adapter = sum(RANK * sum(shape) for shape in matrices)
    layer = sum(rows * columns for rows, columns in matrices) // c.layer_count
    queries, keys = c.head_count * c.head_size, c.kv_head_count * c.head_size
    # Kept for the way back, in bf16: what enters both norms and what leaves them; q, k, v, what attention says; the inner of the MLP.
    inner = 2 * c.intermediate_size if c.family == "gpt2" else 4 * c.intermediate_size
    kept = 2 * (4 * c.hidden_size + 2 * queries + 2 * keys + inner)
    trained, frozen = 16 * parameters, 2 * parameters
    return Needs(
        parameters=parameters,
        adapter=adapter,
        full=trained,
        lora=frozen + 16 * adapter,
        layer=2 * layer,
        activations=kept * c.layer_count,
        recomputed=2 * c.hidden_size * c.layer_count,
        within_layer=kept,
        cache=2 * 2 * keys * c.layer_count,
        # Policy and value learn; reference and reward are only read.
        ppo_full=2 * trained + 2 * frozen,
        # One base below all four; two adapters learn, two are read in single precision.
        ppo_lora=frozen + 2 * 16 * adapter + 2 * 4 * adapter,
    )


def bytes_per_gpu(n: Needs, states: int, gpus: int, is_replicated: bool = False) -> float:
    """Recomputing activations; two layers are gathered at a time, the next while one is computed."""
    gathered = 0 if gpus == 1 or is_replicated else 2 * n.layer
    return states / (1 if is_replicated else gpus) + gathered + TOKENS * (n.recomputed + n.within_layer) + LOGITS


def fewest_gpus(n: Needs, states: int) -> int:
    """A power of two."""
    gpus = 1
    while bytes_per_gpu(n, states, gpus) > USABLE * GPU_BYTES:
        gpus *= 2
    return gpus


def tokens_to_hide(peak_flops: float, bandwidth: float, use: float = 0.4) -> float:
    """From how many tokens of a process at once computing takes longer than exchanging: 8 bytes of a parameter against 6 operations a token."""
    return 8 * use * peak_flops / (6 * bandwidth)


def gb(value: float) -> str:
    return f"{value / 1e9:,.1f}" if value < 100e9 else f"{value / 1e9:,.0f}"


def tables() -> list[str]:
    """As docs/scale.md has them."""
    mb, kb = 1e6, 1e3
    of = {name: needs(config) for name, config in MODELS.items()}
    states = [
        [name, gb(n.parameters), gb(4 * n.parameters), gb(4 * n.parameters), gb(8 * n.parameters), gb(n.full), f"{n.adapter / mb:,.0f}", gb(n.lora)]
        for name, n in of.items()
    ]
    tokens = [
        [name, f"{n.activations / mb:.2f}", f"{n.recomputed / mb:.2f}", gb(TOKENS * n.activations), gb(TOKENS * (n.recomputed + n.within_layer)), f"{n.cache / kb:,.0f}", gb(256 * 1024 * n.cache)]
        for name, n in of.items()
    ]  # fmt: skip
    ppo = [
        [name, gb(n.ppo_full), gb(n.ppo_lora), *(str(fewest_gpus(n, states)) for states in (n.full, n.lora, n.ppo_full, n.ppo_lora)), gb(4 * n.parameters), gb(12 * n.parameters)]
        for name, n in of.items()
    ]  # fmt: skip
    return [
        table(["model", "parameters, 10⁹", "weights, GB", "gradients, GB", "moments, GB", "full, GB", "adapter, 10⁶", "LoRA, GB"], states),
        table(
            ["model", "activations a token, MB", "recomputed, MB", "8,192 tokens, GB", "recomputed, GB", "cache a token, kB", "256 × 1,024 tokens, GB"], tokens
        ),
        table(
            ["model", "PPO full, GB", "PPO LoRA, GB", "GPUs: full", "LoRA", "PPO full", "PPO LoRA", "host while loading, GB", "host while saving, GB"], ppo
        ),
    ]


def table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines)


if __name__ == "__main__":
    print("\n\n".join(tables()))
