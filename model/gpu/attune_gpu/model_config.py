"""The shape of a model as config.json states it, and the tensors that it has, by Hugging Face's names."""

from dataclasses import dataclass, field

from attune_gpu.errors import UnfitBaseError
from attune_gpu.tokenizer import as_list


@dataclass(frozen=True)
class ModelConfig:
    """Llama and Qwen2 (RMSNorm, rotary positions, SwiGLU, grouped-query attention), GPT-2 (LayerNorm, learned positions, GELU)."""

    family: str
    vocabulary_size: int
    context_length: int
    hidden_size: int
    intermediate_size: int
    layer_count: int
    head_count: int
    kv_head_count: int
    head_size: int
    norm_eps: float
    tie_embeddings: bool
    attention_bias: bool = False
    attention_output_bias: bool = False
    mlp_bias: bool = False
    rope_theta: float = 10_000.0
    rope_scaling: dict | None = None
    gelu: str = "tanh"
    end_token_ids: list[int] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return "transformer" if self.family == "gpt2" else "model"


def parse_config(json: dict) -> ModelConfig:
    family = json.get("model_type")
    if family == "gpt2":
        return _parse_gpt2(json)
    if family not in ("llama", "qwen2"):
        raise UnfitBaseError(f"Models of the type {family} are not known here. Known are llama, qwen2 and gpt2.")
    if json.get("hidden_act", "silu") != "silu" or json.get("use_sliding_window"):
        raise UnfitBaseError("Only Llama and Qwen2 models with SiLU and without sliding windows are known here.")
    heads, is_qwen = json["num_attention_heads"], family == "qwen2"
    rope = json.get("rope_parameters") or json.get("rope_scaling")
    bias = bool(json.get("attention_bias"))
    return ModelConfig(
        family=family,
        vocabulary_size=json["vocab_size"],
        context_length=json["max_position_embeddings"],
        hidden_size=json["hidden_size"],
        intermediate_size=json["intermediate_size"],
        layer_count=json["num_hidden_layers"],
        head_count=heads,
        kv_head_count=json.get("num_key_value_heads") or heads,
        head_size=json.get("head_dim") or json["hidden_size"] // heads,
        norm_eps=json["rms_norm_eps"],
        tie_embeddings=json.get("tie_word_embeddings", False),
        # Qwen2 has a bias on q, k and v alone, whatever its config says.
        attention_bias=is_qwen or bias,
        attention_output_bias=not is_qwen and bias,
        mlp_bias=not is_qwen and bool(json.get("mlp_bias")),
        rope_theta=json.get("rope_theta") or (rope or {}).get("rope_theta") or 10_000.0,
        rope_scaling=_parse_rope_scaling(rope),
        end_token_ids=as_list(json.get("eos_token_id")),
    )


def _parse_rope_scaling(rope: dict | None) -> dict | None:
    kind = (rope or {}).get("rope_type") or (rope or {}).get("type") or "default"
    if rope is None or kind == "default":
        return None
    needed = {"linear": ["factor"], "llama3": ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]}
    if kind not in needed or not all(rope.get(key) for key in needed[kind]):
        raise UnfitBaseError(f"Rope scaling {rope} is not known here. Known are default, linear and llama3, with their numbers.")
    return {"type": kind, **{key: rope[key] for key in needed[kind]}}


def _parse_gpt2(json: dict) -> ModelConfig:
    activation = json.get("activation_function", "gelu_new")
    if activation not in ("gelu_new", "gelu") or not json.get("scale_attn_weights", True) or json.get("scale_attn_by_inverse_layer_idx"):
        raise UnfitBaseError("Only GPT-2 models with gelu_new or gelu and the usual scaling of attention are known here.")
    width, heads = json["n_embd"], json["n_head"]
    return ModelConfig(
        family="gpt2",
        vocabulary_size=json["vocab_size"],
        context_length=json["n_positions"],
        hidden_size=width,
        intermediate_size=json.get("n_inner") or 4 * width,
        layer_count=json["n_layer"],
        head_count=heads,
        kv_head_count=heads,
        head_size=width // heads,
        norm_eps=json.get("layer_norm_epsilon", 1e-5),
        tie_embeddings=json.get("tie_word_embeddings", True),
        gelu="tanh" if activation == "gelu_new" else "none",
        end_token_ids=as_list(json.get("eos_token_id")),
    )


def expected_tensors(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name to shape, in transformers' order: draws of new weights and adapters go by it."""
    tensors: dict[str, tuple[int, ...]] = {}
    width, inner, c = config.hidden_size, config.intermediate_size, config
    if c.family == "gpt2":
        tensors |= {"transformer.wte.weight": (c.vocabulary_size, width), "transformer.wpe.weight": (c.context_length, width)}
        for layer in range(c.layer_count):
            at = f"transformer.h.{layer}"
            tensors |= _norm(f"{at}.ln_1", width)
            tensors |= _conv(f"{at}.attn.c_attn", width, 3 * width) | _conv(f"{at}.attn.c_proj", width, width)
            tensors |= _norm(f"{at}.ln_2", width)
            tensors |= _conv(f"{at}.mlp.c_fc", width, inner) | _conv(f"{at}.mlp.c_proj", inner, width)
        tensors |= _norm("transformer.ln_f", width)
    else:
        queries, keys = c.head_count * c.head_size, c.kv_head_count * c.head_size
        tensors["model.embed_tokens.weight"] = (c.vocabulary_size, width)
        for layer in range(c.layer_count):
            at = f"model.layers.{layer}"
            tensors[f"{at}.input_layernorm.weight"] = (width,)
            for name, out in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
                tensors |= _linear(f"{at}.self_attn.{name}", out, width, c.attention_bias)
            tensors |= _linear(f"{at}.self_attn.o_proj", width, queries, c.attention_output_bias)
            tensors[f"{at}.post_attention_layernorm.weight"] = (width,)
            for name, out, into in (("gate_proj", inner, width), ("up_proj", inner, width), ("down_proj", width, inner)):
                tensors |= _linear(f"{at}.mlp.{name}", out, into, c.mlp_bias)
        tensors["model.norm.weight"] = (width,)
    if not c.tie_embeddings:
        tensors["lm_head.weight"] = (c.vocabulary_size, width)
    return tensors


def parameter_count(config: ModelConfig) -> int:
    total = 0
    for shape in expected_tensors(config).values():
        size = 1
        for side in shape:
            size *= side
        total += size
    return total


def _linear(name: str, out: int, into: int, has_bias: bool) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), **({f"{name}.bias": (out,)} if has_bias else {})}


def _conv(name: str, into: int, out: int) -> dict[str, tuple[int, ...]]:
    """GPT-2 keeps its matrices in x out."""
    return {f"{name}.weight": (into, out), f"{name}.bias": (out,)}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}
