"""A reward model of ours is a model for the classification of sequences with one label: transformers and PEFT score as we do, less scoreBias."""

import json

import pytest
import torch
from command_line import run_node
from peft import PeftConfig, PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

RUNS = ["llama_reward_lora", "llama_reward_full", "llama_reward_short", "llama_reward_ensemble", "gpt2_reward_lora"]
ADAPTERS = ["llama_reward_lora", "llama_reward_short", "llama_reward_ensemble", "gpt2_reward_lora"]
PROMPT = "Say stone"
RESPONSES = ["stone", "STONE", "the stone and the drum", "", "no"]


@pytest.fixture(scope="session", params=RUNS)
def run(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=ADAPTERS)
def adapter_run(request):
    return request.getfixturevalue(request.param)


def ours(folder) -> dict:
    return json.loads(run_node("--import", "tsx", "tests/torch/reward-scores.ts", folder, PROMPT, json.dumps(RESPONSES)))


@torch.no_grad()
def theirs(model, rows: list[list[int]]) -> torch.Tensor:
    """All rows in one batch, padded on the right with the model's PAD, as its own code finds the last token."""
    pad = model.config.pad_token_id
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return model.eval()(input_ids=ids, attention_mask=mask).logits[:, 0]


def load(folder):
    """Every tensor must be in the file and in the model."""
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(info[kind] for kind in ["missing_keys", "unexpected_keys", "mismatched_keys"]), info
    return model


def agree(model, folder):
    scored = ours(folder)
    expected = torch.tensor(scored["scores"]) - scored["scoreBias"]
    torch.testing.assert_close(theirs(model, scored["ids"]), expected, atol=1e-3, rtol=0)
    # It tells responses apart at all.
    assert expected.std() > 0.01


def test_a_complete_checkpoint_loads_with_one_label_and_the_same_scores(run):
    model = load(run.complete)
    assert model.config.num_labels == 1 and model.score.bias is None
    agree(model, run.complete)


def test_an_adapter_opens_in_peft_with_its_head_and_the_same_scores(adapter_run):
    config = PeftConfig.from_pretrained(adapter_run.adapter)
    assert (config.task_type, config.modules_to_save) == ("SEQ_CLS", ["score"])
    # As many layers as the reward model keeps, and its PAD.
    own = AutoConfig.from_pretrained(adapter_run.checkpoint)
    base = AutoModelForSequenceClassification.from_pretrained(adapter_run.base, config=own, dtype=torch.float32)
    agree(PeftModel.from_pretrained(base, adapter_run.adapter), adapter_run.checkpoint)


def test_no_text_has_the_token_for_padding(run):
    pad = json.loads((run.checkpoint / "config.json").read_text())["pad_token_id"]
    rows = ours(run.checkpoint)["ids"]
    assert all(pad not in row for row in rows)
    tokenizer = AutoTokenizer.from_pretrained(run.checkpoint)
    # The score is read at the token that ends the response, which chat models often pad with.
    assert all(tokenizer.decode(row[-1:]) == tokenizer.eos_token for row in rows)


def test_the_tokens_scored_are_those_of_the_chat_template(run):
    tokenizer = AutoTokenizer.from_pretrained(run.checkpoint)
    for response, row in zip(RESPONSES, ours(run.checkpoint)["ids"], strict=True):
        messages = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": response}]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        expected = tokenizer.encode(text, add_special_tokens=False)
        assert row == expected[: len(row)] and len(expected) - len(row) <= 1  # a line end may follow
