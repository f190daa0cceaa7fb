"""A run of Attune done, or gone on with, in PyTorch: from its settings and its files, as docs/formats.md says."""

import json
import math
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from reference.data import cut_batches, load_examples, order_steps, pack_rows
from reference.random_numbers import normal
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer


class ReferenceRun:
    """`settings` are a stage's, defaults included, and `stage` itself. `base` is the checkpoint the run starts from."""

    def __init__(self, settings: dict, base: Path):
        self.settings, self.base = settings, Path(base)
        self.model = load_float32(self.base)
        context = self.model.config.max_position_embeddings
        self.length = min(settings["rowLength"] or 512, context)
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        training, validation = load_examples(settings, tokenizer, self.length)
        self.steps = order_steps(training, settings, self.length)
        self.validation = cut_batches(pack_rows(validation, self.length), settings, self.length)
        self.first_step, self.skipped = 0, set()
        if settings.get("lora"):
            self.model = add_adapter(self.model, settings)
        self.trained = {file_name(name): p for name, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(self.trained, settings)

    def resume(self, checkpoint: Path) -> None:
        """Weights, moments and place of a checkpoint of ours."""
        state = json.loads((checkpoint / "state" / "state.json").read_text())
        assert state["formatVersion"] == 1 and state["seed"] == self.settings["seed"]
        self.first_step, self.skipped = state["step"], set(state["skippedSteps"])
        weights = load_file(checkpoint / weights_file(self.settings))
        moments = load_file(checkpoint / "state" / "optimizer.safetensors")
        assert set(moments) == {f"{name}.{moment}" for name in self.trained for moment in "mv"}
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(weights[name])
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(state["optimizerSteps"])),
                    "exp_avg": moments[f"{name}.m"],
                    "exp_avg_sq": moments[f"{name}.v"],
                }

    def train(self) -> None:
        """All steps that are left."""
        for step in range(self.first_step, len(self.steps)):
            batches = self.steps[step]
            if not batches or step in self.skipped:
                continue
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings["lr"] * learning_rate_share(self.settings, step, len(self.steps))
            counted = sum(batch.counted for batch in batches)
            for batch in batches:
                (summed_loss(self.model, batch) / counted).backward()
            if self.settings["maxGradientNorm"] is not None:
                torch.nn.utils.clip_grad_norm_(self.trained.values(), self.settings["maxGradientNorm"])
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def evaluate(self) -> float:
        """Mean loss over all counted tokens that are held out, in nats."""
        counted = sum(batch.counted for batch in self.validation)
        return sum(float(summed_loss(self.model, batch)) for batch in self.validation) / counted


def load_float32(folder: Path):
    """Dropout off, as in ours."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def weights_file(settings: dict) -> str:
    return "adapter_model.safetensors" if settings.get("lora") else "model.safetensors"


def file_name(parameter: str) -> str:
    """PEFT puts the adapter's name, "default", into a parameter's while it is in memory."""
    return parameter.replace(".default.", ".")


def summed_loss(model, batch) -> torch.Tensor:
    outputs = model(input_ids=batch.ids, position_ids=batch.positions, attention_mask=batch.mask, use_cache=False)
    kept = batch.labels >= 0
    return torch.nn.functional.cross_entropy(outputs.logits[kept], batch.labels[kept], reduction="sum")


def learning_rate_share(settings: dict, step: int, total: int) -> float:
    warmup, final = settings["warmupSteps"], settings["finalShare"]
    if step < warmup:
        return (step + 1) / warmup
    if settings["schedule"] == "constant":
        return 1
    progress = min(1, (step - warmup) / max(1, total - warmup))
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(trained: dict, settings: dict) -> torch.optim.AdamW:
    """Matrices decay, vectors do not."""
    groups = [
        {"params": [p for p in trained.values() if p.dim() > 1], "weight_decay": settings["weightDecay"]},
        {"params": [p for p in trained.values() if p.dim() == 1], "weight_decay": 0.0},
    ]
    betas = (settings["beta1"], settings["beta2"])
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=betas, eps=settings["epsilon"])


def add_adapter(model, settings: dict) -> PeftModel:
    """A new adapter as docs/formats.md draws it: A normal, of deviation 1 / sqrt(in), B zero."""
    lora, layers = settings["lora"], block_layers(model)
    targets = lora["targets"] or sorted({layer.split(".")[-1] for layer in layers})
    fan_in_fan_out = model.config.model_type == "gpt2"
    config = LoraConfig(
        r=lora["rank"], lora_alpha=lora["alpha"], target_modules=targets, fan_in_fan_out=fan_in_fan_out, task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(model, config).eval()
    parameters = dict(adapted.named_parameters())
    chosen = [layer for layer in layers if layer.split(".")[-1] in targets]
    for number, layer in enumerate(chosen):
        down = parameters[f"base_model.model.{layer}.lora_A.default.weight"]
        draws = normal(settings["seed"], number, down.numel(), down.shape[1] ** -0.5)
        down.data.copy_(torch.from_numpy(draws).reshape(down.shape))
    return adapted


def block_layers(model) -> list[str]:
    """Names of the matrices within numbered blocks, in the model's order."""
    names = [name for name, p in model.named_parameters() if p.dim() == 2]
    return [name.removesuffix(".weight") for name in names if any(part.isdigit() for part in name.split("."))]
