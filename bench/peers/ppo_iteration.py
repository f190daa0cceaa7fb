"""PyTorch's side of bench/ppo-iteration.ts: one plain PPO iteration with transformers and PEFT, phase by phase.

python ppo_iteration.py <folder> <threads> <json settings>. The first line read are the prompts' tokens; each further one asks for
an iteration. Left-padded generation with a cache, right-padded rows elsewhere, everything in single precision (or under bfloat16
autocast where the settings say so): what one writes first, from InstructGPT's section 3.5 and "The N+ implementation details" (2403.17031).
"""
import copy, json, sys, time
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

folder, threads, settings = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
torch.set_num_threads(threads)
torch.manual_seed(1)
PAD, EOS = settings["pad"], settings["eos"]
new_tokens, minibatches = settings["responseTokens"], settings["minibatches"]
autocast = lambda: torch.autocast("cpu", dtype=torch.bfloat16, enabled=settings["bf16"])
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def lora(task):
    return LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type=task, modules_to_save=["score"] if task == "SEQ_CLS" else None)


policy = get_peft_model(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), lora("CAUSAL_LM"))
reward = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
reward.config.pad_token_id = PAD
reward = get_peft_model(reward, lora("SEQ_CLS")).eval()
value = copy.deepcopy(reward)
parameters = {name: [p for p in model.parameters() if p.requires_grad] for name, model in (("policy", policy), ("value", value))}
optimizers = {name: torch.optim.AdamW(ps, lr=1e-4, betas=(0.9, 0.95), weight_decay=0) for name, ps in parameters.items()}
prompts = json.loads(sys.stdin.readline())


def padded(rows, left=False):
    longest = max(map(len, rows))
    fill = lambda row, with_: ([with_] * (longest - len(row)) + row) if left else (row + [with_] * (longest - len(row)))
    return torch.tensor([fill(row, PAD) for row in rows]), torch.tensor([fill([1] * len(row), 0) for row in rows])


@torch.no_grad()
def generate():
    policy.eval()
    ids, mask = padded(prompts, left=True)
    with autocast():
        out = policy.generate(input_ids=ids, attention_mask=mask, max_new_tokens=new_tokens, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, pad_token_id=PAD, eos_token_id=EOS)
    responses = []
    for row in out[:, ids.shape[1]:].tolist():
        end = row.index(EOS) + 1 if EOS in row else len(row)
        responses.append(row[:end])
    return responses


def logprobs(model, rows, starts):
    ids, mask = padded(rows)
    with autocast():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
    logits = logits[:, :-1].float()
    picked = torch.log_softmax(logits, -1).gather(-1, ids[:, 1:, None])[..., 0]
    return [picked[i, start - 1 : len(row) - 1] for i, (row, start) in enumerate(zip(rows, starts))]


def token_values(model, rows, starts):
    ids, mask = padded(rows)
    base = model.base_model.model
    with autocast():
        hidden = base.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        values = base.score(hidden)[..., 0].float()
    return [values[i, start - 1 : len(row) - 1] for i, (row, start) in enumerate(zip(rows, starts))], values


def batches(rows, size=16):
    return [range(i, min(i + size, len(rows))) for i in range(0, len(rows), size)]


def iterate():
    seconds, at = {}, time.perf_counter()

    def lap(name):
        nonlocal at
        now = time.perf_counter()
        seconds[name] = seconds.get(name, 0) + now - at
        at = now

    responses = generate()
    rows = [prompt + response for prompt, response in zip(prompts, responses)]
    starts = [len(prompt) for prompt in prompts]
    lap("generation")
    with torch.no_grad():
        scores = []
        for batch in batches(rows):
            _, values = token_values(reward, [rows[i] for i in batch], [starts[i] for i in batch])
            scores += [values[k, len(rows[i]) - 1].item() for k, i in enumerate(batch)]
        lap("scoring")
        reference = []
        with policy.disable_adapter():
            for batch in batches(rows):
                reference += logprobs(policy, [rows[i] for i in batch], [starts[i] for i in batch])
        lap("reference")
        old_values = []
        for batch in batches(rows):
            old_values += token_values(value, [rows[i] for i in batch], [starts[i] for i in batch])[0]
        lap("value")
        old = []
        for batch in batches(rows):
            old += logprobs(policy, [rows[i] for i in batch], [starts[i] for i in batch])
        advantages, returns = [], []
        for i in range(len(rows)):
            rewards = -0.02 * (old[i] - reference[i])
            rewards[-1] += scores[i]
            gae, out = 0.0, torch.zeros_like(rewards)
            for t in reversed(range(len(rewards))):
                after = old_values[i][t + 1] if t + 1 < len(rewards) else 0.0
                gae = rewards[t] + after - old_values[i][t] + 0.95 * gae
                out[t] = gae
            advantages.append(out)
            returns.append(out + old_values[i])
        flat = torch.cat(advantages)
        mean, std = flat.mean(), flat.std(correction=0)
        advantages = [(a - mean) / (std + 1e-8) for a in advantages]
    order = torch.randperm(len(rows)).tolist()
    size = len(rows) // minibatches
    for k in range(minibatches):
        batch = order[k * size : (k + 1) * size]
        of, at_ = [rows[i] for i in batch], [starts[i] for i in batch]
        new, was, adv = torch.cat(logprobs(policy, of, at_)), torch.cat([old[i] for i in batch]), torch.cat([advantages[i] for i in batch])
        ratio = torch.exp(new - was)
        loss = torch.max(-adv * ratio, -adv * ratio.clamp(0.8, 1.2)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters["policy"], 1.0)
        optimizers["policy"].step()
        optimizers["policy"].zero_grad(set_to_none=True)
        now, before, target = torch.cat(token_values(value, of, at_)[0]), torch.cat([old_values[i] for i in batch]), torch.cat([returns[i] for i in batch])
        clipped = before + (now - before).clamp(-0.2, 0.2)
        loss = 0.1 * 0.5 * torch.max((now - target) ** 2, (clipped - target) ** 2).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters["value"], 1.0)
        optimizers["value"].step()
        optimizers["value"].zero_grad(set_to_none=True)
    lap("update")
    return {"seconds": seconds, "tokens": sum(map(len, responses))}


print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps(iterate()), flush=True)
