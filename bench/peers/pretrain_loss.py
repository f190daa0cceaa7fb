"""PyTorch's side of bench/pretrain-loss.ts: a run of ours, repeated by transformers; python pretrain_loss.py <settings as JSON> <start folder>."""

import json
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

# Which tokens each step sees is the GPU package's to say; the model and its loss are transformers' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "model" / "gpu"))
from attune_gpu.checkpoint import open_checkpoint  # noqa: E402
from attune_gpu.documents import read_documents, text_examples  # noqa: E402
from attune_gpu.model import visible_mask  # noqa: E402
from attune_gpu.optimizer import Optimizer, learning_rate_share  # noqa: E402
from attune_gpu.packing import DataOrder, evaluation_batches  # noqa: E402
from attune_gpu.random_numbers import held_out  # noqa: E402

settings, start = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
torch.set_num_threads(settings["threads"])
model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32).eval()
tokenizer = open_checkpoint(start).tokenizer
length = min(settings["rowLength"] or 512, model.config.max_position_embeddings)
texts = [text for _, text in read_documents(settings["data"])[0]]
out = held_out(settings["seed"], len(texts), settings["validationShare"])
validation, training = ([text for at, text in enumerate(texts) if (at in out) is wanted] for wanted in (True, False))
order = DataOrder(text_examples(tokenizer, training, length), settings, length)
held = evaluation_batches(text_examples(tokenizer, validation, length), length, settings["rowsPerBatch"])


def summed_loss(batch) -> torch.Tensor:
    mask = visible_mask(batch.groups, batch.parts)
    logits = model(input_ids=batch.ids, position_ids=batch.positions, attention_mask=mask, use_cache=False).logits
    kept = batch.labels >= 0
    return torch.nn.functional.cross_entropy(logits[kept], batch.labels[kept], reduction="sum")


@torch.no_grad()
def evaluate() -> float:
    return sum(float(summed_loss(batch)) for batch in held) / sum(batch.counted for batch in held)


before = evaluate()
optimizer = Optimizer(dict(model.named_parameters()), settings)
started = time.perf_counter()
for step in range(order.total_steps):
    batches = order.batches(step)
    counted = sum(batch.counted for batch in batches)
    for batch in batches:
        (summed_loss(batch) / counted).backward()
    if batches:
        optimizer.step(settings["lr"] * learning_rate_share(settings, step, order.total_steps))
seconds = time.perf_counter() - started
print(json.dumps({"before": before, "after": evaluate(), "seconds": seconds}))
