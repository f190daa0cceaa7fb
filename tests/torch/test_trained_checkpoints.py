"""What a run writes is what Hugging Face's tools read: the model, its tokenizer, its adapter, and the loss it was trained on."""

import base64
import hashlib
import json

import numpy as np
import pytest
import torch
from command_line import attune, run_node
from peft import PeftConfig, PeftModel
from attune_gpu.random_numbers import held_out
from runs import TINY, run_stage
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

RUNS = ["llama_lora", "llama_full", "gpt2_pretrained", "gpt2_lora"]
ADAPTERS = ["llama_lora", "gpt2_lora"]
IDS = [(place * 37 + 5) % 1500 for place in range(40)]
# float32 sums in another order, on logits of about 10.
LOGITS = {"atol": 5e-5, "rtol": 0}
# So large that a first step goes by the size of the gradient as well as its sign.
EPSILON = 1e-2


@pytest.fixture(scope="session", params=RUNS)
def run(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=ADAPTERS)
def adapter_run(request):
    return request.getfixturevalue(request.param)


def load(folder):
    """The model in float32; every tensor must be in the file and in the model."""
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(info[kind] for kind in ["missing_keys", "unexpected_keys", "mismatched_keys"]), info
    return model.eval()


@torch.no_grad()
def logits_of(model) -> np.ndarray:
    return model(torch.tensor([IDS])).logits[0].numpy()  # (T, V)


def served_logits(cache, folder, *adapter) -> np.ndarray:
    printed = run_node("--import", "tsx", "tests/torch/serving-logits.ts", folder, cache, json.dumps(IDS), *adapter)
    return np.frombuffer(base64.b64decode(printed), dtype="<f4").reshape(len(IDS), -1)


def test_a_checkpoint_computes_in_transformers_what_it_computes_when_served(run, tmp_path):
    expected = logits_of(load(run.complete))
    np.testing.assert_allclose(served_logits(tmp_path, run.checkpoint), expected, **LOGITS)
    # It is not the model it started from.
    assert np.abs(expected - logits_of(load(run.base))).max() > 0.1


def test_a_checkpoint_keeps_tokenizer_and_chat_template(run):
    ours, source = AutoTokenizer.from_pretrained(run.checkpoint), AutoTokenizer.from_pretrained(TINY)
    messages = [{"role": "user", "content": "Say dog"}, {"role": "assistant", "content": "Zoë's 12 DOGS"}]
    for more in [{}, {"add_generation_prompt": True}]:
        texts = [each.apply_chat_template(messages, tokenize=False, **more) for each in (ours, source)]
        assert texts[0] == texts[1]
        assert ours.encode(texts[0]) == source.encode(texts[1])


def test_a_checkpoint_chats_at_once_and_says_what_transformers_says(llama_full, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(llama_full.checkpoint)
    messages = [{"role": "user", "content": "Repeat horse"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    made = load(llama_full.checkpoint).generate(**prompt, do_sample=False, max_new_tokens=12)
    expected = tokenizer.decode(made[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
    options = ["--temperature", 0, "--repetition-penalty", 1, "--max-tokens", 12, "--precision", "fp32", "--json"]
    printed = attune("generate", "--model", llama_full.checkpoint, "-p", "Repeat horse", *options, data=tmp_path)
    assert json.loads(printed.splitlines()[-1])["text"] == expected.strip()


def test_an_adapter_opens_in_peft_with_its_shape(adapter_run):
    lora = adapter_run.settings["lora"]
    config = PeftConfig.from_pretrained(adapter_run.adapter)
    assert (config.r, config.lora_alpha, config.bias, config.lora_dropout) == (lora["rank"], lora["alpha"], "none", 0)
    everything = {"c_attn", "c_proj", "c_fc"}  # of a GPT-2
    assert set(config.target_modules) == set(lora["targets"] or everything)
    model = PeftModel.from_pretrained(load(adapter_run.base), adapter_run.adapter)
    stored = load_file(adapter_run.adapter / "adapter_model.safetensors")
    in_memory = {name.replace(".default.", "."): p for name, p in model.named_parameters() if "lora_" in name}
    assert stored.keys() == in_memory.keys()
    assert all(torch.equal(stored[name], p) for name, p in in_memory.items())


def test_an_adapter_gives_the_logits_of_the_merged_model(adapter_run, tmp_path):
    merged = logits_of(load(adapter_run.complete))
    with_adapter = PeftModel.from_pretrained(load(adapter_run.base), adapter_run.adapter).eval()
    np.testing.assert_allclose(logits_of(with_adapter), merged, **LOGITS)
    served = served_logits(tmp_path, adapter_run.base, adapter_run.adapter)
    np.testing.assert_allclose(served, merged, **LOGITS)


def test_peft_merges_an_adapter_to_our_weights(adapter_run):
    merged = PeftModel.from_pretrained(load(adapter_run.base), adapter_run.adapter).merge_and_unload().state_dict()
    base = load(adapter_run.base).state_dict()
    ours = load_file(adapter_run.complete / "model.safetensors")
    changed = [name for name in ours if not torch.equal(ours[name], base[name])]
    assert changed == [name for name in ours if not torch.equal(merged[name], base[name])]
    for name in ours:
        # One rounding of a product and one of a sum, on weights below 2.
        torch.testing.assert_close(ours[name], merged[name], atol=1e-6, rtol=0)


def test_what_is_trained_from_an_adapter_is_an_adapter_over_the_same_base(llama_lora, demonstrations, tmp_path):
    config = {"model": str(llama_lora.checkpoint), "data": [str(demonstrations)], "epochs": 1, "lr": 1e-3, "sampleTokens": 0}
    second = run_stage("sft", config, tmp_path)
    manifest = json.loads((second.checkpoint / "attune.json").read_text())
    base_id, start_id = (hashlib.sha256((each / "attune.json").read_bytes()).hexdigest() for each in (TINY, llama_lora.checkpoint))
    assert (manifest["lineageBase"], manifest["parent"]) == (base_id, start_id)
    adapter, start = (load_file(each / "adapter_model.safetensors") for each in (second.adapter, llama_lora.adapter))
    assert adapter.keys() == start.keys() and not all(torch.equal(adapter[name], start[name]) for name in adapter)
    model = PeftModel.from_pretrained(load(TINY), second.adapter).eval()
    np.testing.assert_allclose(served_logits(tmp_path / "cache", second.checkpoint), logits_of(model), **LOGITS)
    # The untrained second run is the end of the first.
    first = second.checkpoints[0]
    np.testing.assert_allclose(served_logits(tmp_path / "cache", first), logits_of(load(llama_lora.complete)), **LOGITS)


@pytest.fixture(scope="session")
def one_step(gpt2_pretrained, demonstrations, tmp_path_factory):
    """All that is not held out, in a single step of every weight."""
    config = {
        "model": str(gpt2_pretrained.checkpoint),
        "data": [str(demonstrations)],
        "lora": None,
        "lr": 1e-2,
        "epsilon": EPSILON,
        "schedule": "constant",
        "epochs": 1,
        "rowsPerBatch": 64,
        "validationShare": 0.3,
    }
    run = run_stage("sft", config, tmp_path_factory.mktemp("one-step"))
    assert run.summary["totalSteps"] == 1
    return run


def test_a_gpt2_whose_pad_is_eos_trains_on_the_loss_that_lengths_give(one_step, demonstrations):
    model, tokenizer = load(one_step.base), AutoTokenizer.from_pretrained(one_step.base)
    assert tokenizer.pad_token == tokenizer.eos_token
    settings = one_step.settings
    rows = [json.loads(line) for line in demonstrations.read_text().splitlines()]
    out = held_out(settings["seed"], len(rows), settings["validationShare"])
    validation = pad([row for at, row in enumerate(rows) if at in out], tokenizer)
    training = pad([row for at, row in enumerate(rows) if at not in out], tokenizer)

    # transformers' own loss, of one example a row, masked by lengths.
    with torch.no_grad():
        loss = float(model(**validation).loss)
        by_token = {**validation, "labels": validation["labels"].masked_fill(validation["input_ids"] == 2, -100)}
        loss_by_token = float(model(**by_token).loss)
    assert one_step.summary["validationLossBefore"] == pytest.approx(loss, abs=1e-5)
    # What the usual mistake gives, taking every EOS for padding.
    assert abs(loss_by_token - loss) > 1e-3  # a hundred times what the two losses above may differ

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.95), eps=EPSILON, weight_decay=0)
    model(**training).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    ours, start = load(one_step.checkpoint).state_dict(), load(one_step.base).state_dict()
    for name, p in model.state_dict().items():
        assert not torch.equal(p, start[name]), name
        torch.testing.assert_close(ours[name], p, atol=1e-6, rtol=0)
    with torch.no_grad():
        assert one_step.summary["validationLoss"] == pytest.approx(float(model(**validation).loss), abs=1e-5)


def pad(rows, tokenizer) -> dict[str, torch.Tensor]:
    """One example a row, filled up with PAD; masks and labels from lengths. Labels are the response and its EOS."""
    examples = []
    for row in rows:
        prompt = tokenizer.encode(f"<|im_start|>user\n{row['prompt']}<|im_end|>\n<|im_start|>assistant\n")
        response = tokenizer.encode(f"{row['response']}<|im_end|>")
        newline = tokenizer.encode("\n")
        labels = [-100] * len(prompt) + response + [-100] * len(newline)
        examples.append((prompt + response + newline, labels))
    longest = max(len(ids) for ids, _ in examples)

    def fill(rows, filling: int) -> torch.Tensor:
        return torch.tensor([row + [filling] * (longest - len(row)) for row in rows])

    return {
        "input_ids": fill([ids for ids, _ in examples], tokenizer.pad_token_id),
        "attention_mask": fill([[1] * len(ids) for ids, _ in examples], 0),
        "labels": fill([labels for _, labels in examples], -100),
    }
