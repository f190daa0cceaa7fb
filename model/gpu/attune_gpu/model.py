"""The transformer in plain PyTorch: Llama, Qwen2 and GPT-2, with Hugging Face's names for its weights and PEFT's for adapters.

One set of base weights serves any number of adapters: which one counts is an argument of each call, so policy, reference, reward and
value of a PPO run share one base. What a token may look at is data (`visible_mask`), so packed examples and responses behind a shared
prompt go through the same code. Knows nothing of losses, optimizers or files.
"""

import copy
import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from attune_gpu.checkpoint import LoraShape
from attune_gpu.distributed import part_of, shard
from attune_gpu.errors import ConfigError
from attune_gpu.model_config import ModelConfig, expected_tensors
from attune_gpu.random_numbers import normal

PEFT_PREFIX = "base_model.model."


def visible_mask(groups: Tensor, parts: Tensor) -> Tensor:
    """(B, 1, T, T), true where a token (row) sees another (column).

    It sees itself and those before it of its own group, if they are of part 0 (a shared prompt) or of its own part (a response).
    """
    same = groups[:, :, None] == groups[:, None, :]
    shared = (parts[:, None, :] == 0) | (parts[:, :, None] == parts[:, None, :])
    length = groups.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool, device=groups.device).tril()
    return (same & shared & earlier)[:, None]


class Adapter:
    """LoRA: W x + alpha / rank * B A x, for the layers whose last name is a target. Parameters go by PEFT's names."""

    def __init__(self, shape: LoraShape, parameters: dict[str, Tensor]):
        self.shape, self.parameters = shape, parameters
        layers = [name.removeprefix(PEFT_PREFIX).removesuffix(".lora_A.weight") for name in parameters if name.endswith(".lora_A.weight")]
        self.pairs = {layer: tuple(parameters[f"{PEFT_PREFIX}{layer}.lora_{side}.weight"] for side in "AB") for layer in layers}

    def product(self, layer: str, x: Tensor) -> Tensor | None:
        """None where nothing stands beside the layer."""
        pair = self.pairs.get(layer)
        if pair is None:
            return None
        down, up = pair
        return F.linear(F.linear(x, down), up) * self.shape.scale

    def trainable(self) -> "Adapter":
        """A copy that gradients flow into."""
        return Adapter(self.shape, {name: nn.Parameter(p.detach().clone().float()) for name, p in self.parameters.items()})

    def to(self, device: torch.device) -> "Adapter":
        return Adapter(self.shape, {name: p.to(device) for name, p in self.parameters.items()})


def adapted_layers(config: ModelConfig, targets: list[str]) -> list[tuple[str, int, int]]:
    """Name, inputs and outputs of the layers an adapter stands beside, in the order of the model."""
    layers = _all_layers(config)
    known = every_layer(config)
    unknown = [target for target in targets if target not in known]
    if unknown:
        raise ConfigError(f"LoRA targets {', '.join(unknown)} name no layer of this model. It has {', '.join(known)}.")
    return [layer for layer in layers if layer[0].rsplit(".", 1)[-1] in targets]


def every_layer(config: ModelConfig) -> list[str]:
    """Last names of the matrices within blocks: q_proj, k_proj, …"""
    return list(dict.fromkeys(name.rsplit(".", 1)[-1] for name, _, _ in _all_layers(config)))


def _all_layers(config: ModelConfig) -> list[tuple[str, int, int]]:
    layers = []
    for name, shape in expected_tensors(config).items():
        if len(shape) == 2 and any(part.isdigit() for part in name.split(".")):
            rows, columns = shape
            inputs, outputs = (rows, columns) if config.family == "gpt2" else (columns, rows)
            layers.append((name.removesuffix(".weight"), inputs, outputs))
    return layers


def new_adapter(config: ModelConfig, shape: LoraShape, seed: int) -> Adapter:
    """A normal of deviation 1 / sqrt(in), B zero, as docs/formats.md draws them."""
    parameters = {}
    for number, (layer, inputs, outputs) in enumerate(adapted_layers(config, shape.targets)):
        draws = normal(seed, number, shape.rank * inputs, 1 / math.sqrt(inputs))
        parameters[f"{PEFT_PREFIX}{layer}.lora_A.weight"] = torch.from_numpy(draws).reshape(shape.rank, inputs)
        parameters[f"{PEFT_PREFIX}{layer}.lora_B.weight"] = torch.zeros(outputs, shape.rank)
    return Adapter(shape, parameters)


class Linear(nn.Module):
    """A matrix that an adapter may stand beside. GPT-2 keeps its matrices in x out."""

    def __init__(self, inputs: int, outputs: int, bias: bool, is_in_out: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.empty((inputs, outputs) if is_in_out else (outputs, inputs)))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.is_in_out, self.layer = is_in_out, ""

    def forward(self, x: Tensor, adapter: Adapter | None) -> Tensor:
        y = F.linear(x, self.weight.T if self.is_in_out else self.weight, self.bias)
        delta = adapter.product(self.layer, x) if adapter else None
        return y if delta is None else y + delta


class Table(nn.Module):
    """An embedding, without the draws that PyTorch's own begins with."""

    def __init__(self, count: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, size))

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.weight)


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.empty(size)), eps

    def forward(self, x: Tensor) -> Tensor:
        # The sum of squares needs single precision whatever the rest computes in.
        wide = x.float()
        return (self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps))).to(x.dtype)


class KeyValueCache:
    """Keys and values of every layer in fixed memory, so that each step of a decode has the same shapes."""

    def __init__(self, config: ModelConfig, rows: int, length: int, device: torch.device, dtype: torch.dtype):
        shape = (config.layer_count, 2, rows, config.kv_head_count, length, config.head_size)
        self.memory = torch.zeros(shape, device=device, dtype=dtype)
        self.at = torch.zeros(1, dtype=torch.long, device=device)  # columns that the next tokens are written to: (t)

    def of_rows(self, rows: slice, at: Tensor) -> "KeyValueCache":
        """The same memory, of some of its rows, to be written at other columns."""
        part = copy.copy(self)
        part.memory, part.at = self.memory[:, :, rows], at
        return part

    def update(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """k, v (B, H, t, D) -> all of the layer's (B, H, length, D)."""
        keys, values = self.memory[layer, 0], self.memory[layer, 1]
        keys.index_copy_(2, self.at, k.to(keys.dtype))
        values.index_copy_(2, self.at, v.to(values.dtype))
        return keys, values


def attend(q: Tensor, k: Tensor, v: Tensor, mask) -> Tensor:
    """(B, H, T, D), k and v of as many heads or fewer; a mask that is added, or flex attention's block mask."""
    if not isinstance(mask, Tensor):
        return _flex_attention(q.is_cuda)(q, k, v, block_mask=mask, enable_gqa=q.shape[1] != k.shape[1])
    k, v, mask = (each if each.dtype == q.dtype else each.to(q.dtype) for each in (k, v, mask))
    per_head = q.shape[1] // k.shape[1]
    if per_head > 1 and q.shape[2] == 1:
        # Queries that share keys are as good as several tokens of one head: a decode does not copy its cache.
        q = q.unflatten(1, (k.shape[1], per_head)).squeeze(3)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).unsqueeze(3).flatten(1, 2)
    if per_head > 1:
        # With a mask and fewer heads of keys CUDA may take the kernel that writes out all T x T probabilities.
        k, v = k.repeat_interleave(per_head, dim=1), v.repeat_interleave(per_head, dim=1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@functools.cache
def _flex_attention(is_compiled: bool):
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention) if is_compiled else flex_attention


def added_mask(mask: Tensor, like: Tensor) -> Tensor:
    """0 where a token is seen, else minus infinity, in what attention computes in: made once for all layers, each of which keeps it."""
    dtype = computing_dtype(like)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -math.inf)


def computing_dtype(x: Tensor) -> torch.dtype:
    """Of matrices that read x."""
    return torch.get_autocast_dtype(x.device.type) if torch.is_autocast_enabled(x.device.type) else x.dtype


def narrow(x: Tensor) -> Tensor:
    """Once for all matrices that read it: autocast would make, and keep, a copy for each."""
    return x.to(computing_dtype(x))


def document_mask(groups: Tensor, parts: Tensor):
    """`visible_mask` as flex attention takes it: whole blocks that nothing is seen of are not computed. For long rows on a GPU."""
    from torch.nn.attention.flex_attention import create_block_mask

    def visible(b, h, q, k):
        return (groups[b, q] == groups[b, k]) & ((parts[b, k] == 0) | (parts[b, q] == parts[b, k])) & (k <= q)

    rows, length = groups.shape
    return create_block_mask(visible, rows, None, length, length, device=groups.device)


def rope_frequencies(config: ModelConfig) -> Tensor:
    """(D / 2) radians a position."""
    base = 1.0 / config.rope_theta ** (torch.arange(0, config.head_size, 2, dtype=torch.float32) / config.head_size)
    scaling = config.rope_scaling
    if scaling is None:
        return base
    if scaling["type"] == "linear":
        return base / scaling["factor"]
    # Llama 3.1: low frequencies divided, high ones kept, a ramp between.
    original, low, high = (scaling[key] for key in ("original_max_position_embeddings", "low_freq_factor", "high_freq_factor"))
    wavelength = 2 * math.pi / base
    ramp = ((original / wavelength - low) / (high - low)).clamp(0, 1)
    return (1 - ramp) * base / scaling["factor"] + ramp * base


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions in the rotate-half layout; x (B, H, T, D), cos and sin (B, 1, T, D)."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return (x * cos + turned * sin).to(x.dtype)


class LlamaAttention(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.heads, self.kv_heads, self.size = c.head_count, c.kv_head_count, c.head_size
        self.q_proj = Linear(c.hidden_size, c.head_count * c.head_size, c.attention_bias)
        self.k_proj = Linear(c.hidden_size, c.kv_head_count * c.head_size, c.attention_bias)
        self.v_proj = Linear(c.hidden_size, c.kv_head_count * c.head_size, c.attention_bias)
        self.o_proj = Linear(c.head_count * c.head_size, c.hidden_size, c.attention_output_bias)

    def forward(self, x: Tensor, turn, mask, adapter, cached) -> Tensor:
        q, k, v = (
            proj(x, adapter).unflatten(-1, (heads, self.size)).transpose(1, 2)  # (B, H, T, D)
            for proj, heads in ((self.q_proj, self.heads), (self.k_proj, self.kv_heads), (self.v_proj, self.kv_heads))
        )
        q, k = rotate(q, *turn), rotate(k, *turn)
        if cached is not None:
            k, v = cached(k, v)
        return self.o_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2), adapter)


class LlamaMlp(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.gate_proj = Linear(c.hidden_size, c.intermediate_size, c.mlp_bias)
        self.up_proj = Linear(c.hidden_size, c.intermediate_size, c.mlp_bias)
        self.down_proj = Linear(c.intermediate_size, c.hidden_size, c.mlp_bias)

    def forward(self, x: Tensor, adapter) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x, adapter)) * self.up_proj(x, adapter), adapter)


class LlamaBlock(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RMSNorm(c.hidden_size, c.norm_eps), RMSNorm(c.hidden_size, c.norm_eps)
        self.self_attn, self.mlp = LlamaAttention(c), LlamaMlp(c)

    def forward(self, x: Tensor, turn, mask, adapter, cached, drop) -> Tensor:
        x = x + drop(self.self_attn(narrow(self.input_layernorm(x)), turn, mask, adapter, cached), 0)
        return x + drop(self.mlp(narrow(self.post_attention_layernorm(x)), adapter), 1)


class LlamaBody(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.embed_tokens = Table(c.vocabulary_size, c.hidden_size)
        self.layers = nn.ModuleList(LlamaBlock(c) for _ in range(c.layer_count))
        self.norm = RMSNorm(c.hidden_size, c.norm_eps)
        self.register_buffer("frequencies", rope_frequencies(c), persistent=False)

    @property
    def table(self) -> Tensor:
        return self.embed_tokens.weight

    def begin(self, ids: Tensor, positions: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        angles = positions[..., None].float() * self.frequencies  # (B, T, D / 2)
        angles = torch.cat([angles, angles], dim=-1)[:, None]
        return self.embed_tokens(ids), (angles.cos(), angles.sin())


class Gpt2Attention(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.heads = c.head_count
        self.c_attn = Linear(c.hidden_size, 3 * c.hidden_size, True, is_in_out=True)
        self.c_proj = Linear(c.hidden_size, c.hidden_size, True, is_in_out=True)

    def forward(self, x: Tensor, mask, adapter, cached) -> Tensor:
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.c_attn(x, adapter).chunk(3, dim=-1))
        if cached is not None:
            k, v = cached(k, v)
        return self.c_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2), adapter)


class Gpt2Mlp(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.c_fc = Linear(c.hidden_size, c.intermediate_size, True, is_in_out=True)
        self.c_proj = Linear(c.intermediate_size, c.hidden_size, True, is_in_out=True)
        self.gelu = c.gelu

    def forward(self, x: Tensor, adapter) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(x, adapter), approximate=self.gelu), adapter)


class Gpt2Block(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(c.hidden_size, c.norm_eps), nn.LayerNorm(c.hidden_size, c.norm_eps)
        self.attn, self.mlp = Gpt2Attention(c), Gpt2Mlp(c)

    def forward(self, x: Tensor, turn, mask, adapter, cached, drop) -> Tensor:
        x = x + drop(self.attn(narrow(self.ln_1(x)), mask, adapter, cached), 0)
        return x + drop(self.mlp(narrow(self.ln_2(x)), adapter), 1)


class Gpt2Body(nn.Module):
    def __init__(self, c: ModelConfig):
        super().__init__()
        self.wte = Table(c.vocabulary_size, c.hidden_size)
        self.wpe = Table(c.context_length, c.hidden_size)
        self.h = nn.ModuleList(Gpt2Block(c) for _ in range(c.layer_count))
        self.ln_f = nn.LayerNorm(c.hidden_size, c.norm_eps)

    layers = property(lambda self: self.h)
    norm = property(lambda self: self.ln_f)
    table = property(lambda self: self.wte.weight)

    def begin(self, ids: Tensor, positions: Tensor) -> tuple[Tensor, None]:
        return self.wte(ids) + self.wpe(positions), None


def keep_all(x: Tensor, site: int) -> Tensor:
    return x


class Transformer(nn.Module):
    """Its state_dict has Hugging Face's names. `head` is the table of the vocabulary, tied or not; a reward model has none."""

    def __init__(self, config: ModelConfig, has_head: bool = True):
        super().__init__()
        # recompute: only what enters each layer is kept for the backward pass; flexes: see `mask`.
        self.config, self.recompute, self.flexes = config, False, False
        self.add_module(config.prefix, Gpt2Body(config) if config.family == "gpt2" else LlamaBody(config))
        if has_head and not config.tie_embeddings:
            self.lm_head = Table(config.vocabulary_size, config.hidden_size)
        for name, module in self.named_modules():
            if isinstance(module, Linear):
                module.layer = name

    @property
    def body(self) -> nn.Module:
        return getattr(self, self.config.prefix)

    @property
    def head(self) -> Tensor:
        """(V, hidden)"""
        return self.body.table if self.config.tie_embeddings else self.lm_head.weight

    @property
    def device(self) -> torch.device:
        return self.body.table.device

    def mask(self, groups: Tensor, parts: Tensor):
        """What `forward` takes: dense, or by blocks where long rows of many examples are computed on a GPU."""
        return document_mask(groups, parts) if self.flexes else visible_mask(groups, parts)

    def forward(
        self,
        ids: Tensor,  # (B, T)
        positions: Tensor,  # (B, T)
        mask,
        adapter: Adapter | None = None,
        *,
        layers: int | None = None,
        drop: Callable[[Tensor, int], Tensor] = keep_all,
        cache: KeyValueCache | None = None,
    ) -> Tensor:
        """(B, T, hidden), behind the last norm; `layers`: no more than so many of them."""
        x, turn = self.body.begin(ids, positions)
        x = drop(x, 0)
        if isinstance(mask, Tensor):
            mask = added_mask(mask, x)
        for number, block in enumerate(self.body.layers[:layers]):
            cached = None if cache is None else (lambda k, v, layer=number: cache.update(layer, k, v))

            def drop_here(y: Tensor, half: int, first: int = 1 + 2 * number) -> Tensor:
                return drop(y, first + half)

            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(block, x, turn, mask, adapter, cached, drop_here, use_reentrant=False)
            else:
                x = block(x, turn, mask, adapter, cached, drop_here)
        return self.body.norm(x)


def load_transformer(config: ModelConfig, weights: dict[str, Tensor], device: torch.device, dtype: torch.dtype = torch.float32) -> Transformer:
    """Frozen, with these very weights; without a head where there is none among them."""
    has_head = config.tie_embeddings or "lm_head.weight" in weights
    with torch.device("meta"):
        model = Transformer(config, has_head).to(dtype)
    shard(model, model.body.layers)
    if config.family != "gpt2":
        model.body.frequencies = rope_frequencies(config).to(device)
    places = dict(model.named_parameters())
    moved = {name: part_of(weight, places.get(name, weight), device=device, dtype=dtype) for name, weight in weights.items()}
    model.load_state_dict(moved, strict=True, assign=True)
    return model.requires_grad_(False).eval()


# Elements of logits that may be in memory at once.
MOST_LOGITS = 2**27


def token_logprobs(rows: Tensor, head: Tensor, labels: Tensor) -> Tensor:
    """(N) log p of each label; rows (N, hidden). Where the logits of all would be large, a piece at a time, computed again backward."""
    size = max(1, MOST_LOGITS // head.shape[0])
    if len(rows) <= size:
        return _logprobs(rows, head, labels)
    pieces = zip(rows.split(size), labels.split(size), strict=True)
    return torch.cat([checkpoint(_logprobs, piece, head, own, use_reentrant=False) for piece, own in pieces])


def _logprobs(rows: Tensor, head: Tensor, labels: Tensor) -> Tensor:
    return -F.cross_entropy(F.linear(rows, head.to(rows.dtype)).float(), labels, reduction="none")
