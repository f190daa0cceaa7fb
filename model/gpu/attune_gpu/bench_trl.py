"""An iteration of trl.experimental.ppo beside ours: same shapes, episodes, minibatches, lengths and precision, random weights.

TRL trains a value model of its own with all weights, so it stands beside ours where we train all weights too.
"""

import importlib.metadata
import tempfile
import time

import torch

from attune_gpu.machine import Machine
from attune_gpu.model_config import ModelConfig

VERSION = "1.12.0"


class TrlSide:
    """`why`: what keeps it from being measured."""

    def __init__(self, version: str | None, trainer=None, why: str | None = None, device: torch.device | None = None):
        self.version, self.trainer, self.why, self.device = version, trainer, why, device

    @classmethod
    def open(cls, case, sizes, settings: dict, machine: Machine, prompts: list[list[int]]) -> "TrlSide":
        try:
            version = importlib.metadata.version("trl")
        except importlib.metadata.PackageNotFoundError:
            return cls(None, why=f"trl is not installed: pip install trl=={VERSION}")
        if case.lora is not None:
            return cls(version, why="its value model is trained with all weights, so it is measured where ours is")
        return cls(version, make_trainer(case.config, sizes, settings, machine, prompts), device=machine.device)

    def iterate(self) -> float:
        """Seconds of one iteration; nothing is saved or evaluated."""
        self._wait()
        started = time.perf_counter()
        self.trainer.train()
        self._wait()
        return time.perf_counter() - started

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def make_trainer(config: ModelConfig, sizes, settings: dict, machine: Machine, prompts: list[list[int]]):
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    rows = max(1, min(sizes.episodes // sizes.minibatches, sizes.tokens_per_batch // (sizes.prompt_tokens + sizes.response_tokens)))
    arguments = PPOConfig(
        output_dir=tempfile.mkdtemp(prefix="attune-bench-trl-"),
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=sizes.episodes // rows,
        num_mini_batches=sizes.minibatches,
        num_ppo_epochs=settings["innerEpochs"],
        total_episodes=sizes.episodes,
        response_length=sizes.response_tokens,
        local_rollout_forward_batch_size=min(64, sizes.episodes),
        temperature=1.0,
        kl_coef=settings["beta"],
        cliprange=settings["clip"],
        learning_rate=settings["lr"],
        bf16=machine.precision == "bf16",
        use_cpu=machine.device.type == "cpu",
        num_sample_generations=0,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    policy, reference, judge, value = make_models(config, machine)
    return PPOTrainer(
        args=arguments,
        processing_class=make_tokenizer(config),
        model=policy,
        ref_model=reference,
        reward_model=judge,
        value_model=value,
        train_dataset=[{"input_ids": prompt} for prompt in prompts],
    )


def make_models(config: ModelConfig, machine: Machine) -> list:
    """Policy and value function in single precision, under autocast; reference and reward model in what is computed in."""
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    shape = LlamaConfig(
        vocab_size=config.vocabulary_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.layer_count,
        num_attention_heads=config.head_count,
        num_key_value_heads=config.kv_head_count,
        head_dim=config.head_size,
        max_position_embeddings=config.context_length,
        tie_word_embeddings=config.tie_embeddings,
        rope_theta=config.rope_theta,
        pad_token_id=config.vocabulary_size - 1,
        bos_token_id=None,
        eos_token_id=None,
        num_labels=1,
    )
    with torch.device(machine.device):
        policy, value = LlamaForCausalLM(shape), LlamaForSequenceClassification(shape)
        reference, judge = (kind(shape).to(machine.frozen_dtype) for kind in (LlamaForCausalLM, LlamaForSequenceClassification))
    return [policy, reference, judge, value]


def make_tokenizer(config: ModelConfig):
    """The last token pads, and no prompt has it; TRL asks for one that ends too, and ends nothing by it here."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    names = {"unk_token": "<unk>", "eos_token": "<eos>", "pad_token": "<pad>"}
    words = {"<unk>": 0, "<eos>": config.vocabulary_size - 2, "<pad>": config.vocabulary_size - 1}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel(words, unk_token="<unk>")), padding_side="left", **names)
