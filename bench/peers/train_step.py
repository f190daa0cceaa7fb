"""PyTorch's side of bench/train-step.ts: one training step for each line read; python train_step.py <folder> <lora|full> <fp32|bf16> <threads>."""
import json, resource, sys, time
import torch
from transformers import AutoModelForCausalLM

folder, kind, precision, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
torch.set_num_threads(threads)
torch.manual_seed(1)
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
if kind == "lora":
    from peft import LoraConfig, get_peft_model
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules=targets))
model.train()
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.0)
ROWS, LENGTH = 8, 128
vocabulary = model.config.vocab_size
ids = torch.tensor([[(i * 977 + r * 131 + 7) % (vocabulary - 8) for i in range(LENGTH)] for r in range(ROWS)])
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss.item(), "peakMb": peak}), flush=True)
