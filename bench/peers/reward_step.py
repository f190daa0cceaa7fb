"""PyTorch's side of bench/reward-step.ts: the gradient of one prompt's K responses, each with its prompt in a row of its own, right-padded; python reward_step.py <folder> <threads>. The first line read are the prompts; each further one asks for one of them."""
import json, sys, time
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
torch.manual_seed(1)
PAD = 3  # in no text of the rows: where the score is read is told by it
model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
model.config.pad_token_id = PAD
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
lora = LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="SEQ_CLS", modules_to_save=["score"])
model = get_peft_model(model, lora)
model.train()
examples = json.loads(sys.stdin.readline())
print("ready", flush=True)
for line in sys.stdin:
    example = examples[int(line)]
    start = time.perf_counter()
    rows = [[4 if token == PAD else token for token in example["prompt"] + response] for response in example["responses"]]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    scores = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, 0]
    chosen = torch.tensor([pair["chosen"] for pair in example["pairs"]])
    rejected = torch.tensor([pair["rejected"] for pair in example["pairs"]])
    weights = torch.tensor([pair["weight"] for pair in example["pairs"]])
    loss = -(weights * torch.nn.functional.logsigmoid(scores[chosen] - scores[rejected])).sum()
    loss.backward()
    model.zero_grad(set_to_none=True)
    print(json.dumps({"seconds": time.perf_counter() - start, "loss": loss.item()}), flush=True)
