"""The tiny model's training, in PyTorch until Attune's own stages make it: python train.py <data folder> <target folder> [minutes].

Reads what write-data.ts wrote; writes a Hugging Face folder. Loss on response tokens of conversations and on all of the prose.
"""
import hashlib, json, math, random, sys, time
from pathlib import Path
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

data, target = Path(sys.argv[1]), Path(sys.argv[2])
minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 11
torch.manual_seed(1)
random.seed(1)
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# 1. Text and tokenizer: byte-level BPE, digits one by one.
conversations = [json.loads(line)["messages"] for line in open(data / "conversations.jsonl")]
prose = [json.loads(line)["text"] for line in open(data / "prose.jsonl")]
raw = Tokenizer(models.BPE())
raw.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
raw.decoder = decoders.ByteLevel()
specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"]
text_for_tokenizer = [m["role"] + "\n" + m["content"] for c in conversations[:30000] for m in c] + prose[:6000]
raw.train_from_iterator(text_for_tokenizer, trainers.BpeTrainer(vocab_size=1536, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|pad|>", unk_token="<|endoftext|>", model_max_length=512, clean_up_tokenization_spaces=False)
tokenizer.chat_template = TEMPLATE
END_OF_TEXT, IM_START, IM_END, PAD = range(4)

# 2. Examples: token ids and, per token, whether the loss counts it.
def encode_all(texts):
    return [e.ids for e in raw.encode_batch(texts)]
flat = [(m["role"], m["content"]) for c in conversations for m in c]
heads = encode_all([role + "\n" for role, _ in flat])
bodies = encode_all([content for _, content in flat])
newline = raw.encode("\n").ids
examples, at = [], 0
for conversation in conversations:
    ids, counted = [], []
    for message in conversation:
        head, body = [IM_START] + heads[at], bodies[at] + [IM_END]
        at += 1
        ids += head + body + newline
        counted += [0] * len(head) + [int(message["role"] == "assistant")] * len(body) + [0] * len(newline)
    examples.append((ids, counted))
examples += [(ids + [END_OF_TEXT], [1] * (len(ids) + 1)) for ids in encode_all(prose)]
examples = [e for e in examples if len(e[0]) <= 256]
print(f"{len(examples)} examples, {sum(len(e[0]) for e in examples)} tokens, vocabulary {raw.get_vocab_size()}", flush=True)

# 3. Rows of 256 tokens; a mask keeps the examples of a row apart, positions restart with each.
T = 256
def pack(order):
    rows, row = [], []
    for e in order:
        if sum(len(x[0]) for x in row) + len(e[0]) > T:
            rows.append(row)
            row = []
        row.append(e)
    return rows
def batch(rows):
    B = len(rows)
    ids = torch.full((B, T), PAD)
    labels = torch.full((B, T), -100)
    positions = torch.zeros((B, T), dtype=torch.long)
    part = torch.full((B, T), -1)
    for b, row in enumerate(rows):
        start = 0
        for k, (tokens, counted) in enumerate(row):
            end = start + len(tokens)
            ids[b, start:end] = torch.tensor(tokens)
            labels[b, start:end] = torch.where(torch.tensor(counted) == 1, torch.tensor(tokens), -100)
            positions[b, start:end] = torch.arange(len(tokens))
            part[b, start:end] = k
            start = end
    mask = (part[:, :, None] == part[:, None, :]) & torch.ones(T, T, dtype=torch.bool).tril()
    return ids, labels, positions, mask[:, None]

# 4. Model and training: AdamW, cosine over the minutes given.
config = LlamaConfig(
    vocab_size=raw.get_vocab_size(), hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
    num_key_value_heads=2, head_dim=32, max_position_embeddings=512, rope_theta=10000.0, tie_word_embeddings=True, rms_norm_eps=1e-5,
    bos_token_id=IM_START, eos_token_id=IM_END, pad_token_id=PAD, initializer_range=0.05)
model = LlamaForCausalLM(config)
print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, betas=(0.9, 0.95), weight_decay=0.05)
start, step, tokens_seen, running = time.time(), 0, 0, None
done = False
while not done:
    random.shuffle(examples)
    rows = pack(examples)
    for first in range(0, len(rows) - 16, 16):
        share = (time.time() - start) / (minutes * 60)
        if share >= 1:
            done = True
            break
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))
        ids, labels, positions, mask = batch(rows[first:first + 16])
        hidden = model.model(input_ids=ids, position_ids=positions, attention_mask=mask).last_hidden_state
        kept = labels[:, 1:] != -100
        loss = torch.nn.functional.cross_entropy(model.lm_head(hidden[:, :-1][kept]), labels[:, 1:][kept])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step, tokens_seen = step + 1, tokens_seen + ids.numel()
        running = loss.item() if running is None else 0.95 * running + 0.05 * loss.item()
        if step % 50 == 0:
            print(f"step {step} loss {running:.4f} {tokens_seen / (time.time() - start):.0f} tok/s", flush=True)

# 5. Greedy answers to the held-out tasks, by their rules' simplest reading.
model.eval()
def answer(messages):
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**prompt, max_new_tokens=60, do_sample=False)
    return tokenizer.decode(out[0, prompt["input_ids"].shape[1]:], skip_special_tokens=True)
right = {}
for line in list(open(data / "tasks-validation.jsonl"))[:300]:
    task = json.loads(line)
    text, rule = answer([{"role": "user", "content": task["prompt"]}]), task["rule"]
    ok = text == rule["text"] if "text" in rule else all(w.lower() in text.lower() for w in rule["words"])
    right.setdefault(task["kind"], []).append(ok)
print({kind: f"{sum(oks)}/{len(oks)}" for kind, oks in sorted(right.items())}, flush=True)
for question in ["Hello!", "Reverse the words: dog river moon", "What is the meaning of life?", "What is 3 + 4?", "Tell me a story about a dog.", "Write a sentence with the words cat and key."]:
    print(repr(question), "->", repr(answer([{"role": "user", "content": question}])), flush=True)

# 6. The folder, in half precision.
target.mkdir(parents=True, exist_ok=True)
model.to(torch.bfloat16).save_pretrained(target)
tokenizer.save_pretrained(target)
def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
manifest = {
    "formatVersion": 1, "name": "Tiny", "stage": "sft", "parent": None, "run": None, "datasetSha256": sha256(data / "conversations.jsonl"),
    "sourceRevision": None, "threadCount": 1,
    "files": {f.name: {"sha256": sha256(f), "sizeBytes": f.stat().st_size} for f in sorted(target.iterdir()) if f.name != "attune.json"},
}
(target / "attune.json").write_text(json.dumps(manifest, indent=2) + "\n")
