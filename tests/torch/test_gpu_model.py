"""The package's own transformer computes what transformers and PEFT compute: logits, gradients, adapters, packing, sampling."""

import dataclasses
import json
import subprocess

import pytest
import torch
from attune_gpu.checkpoint import LoraShape, open_checkpoint, verify_checkpoint
from attune_gpu.errors import CheckpointError
from attune_gpu.generation import BatchedDecode
from attune_gpu.language_model import load_for_reading
from attune_gpu.machine import Machine
from attune_gpu.model import Adapter, document_mask, load_transformer, new_adapter, token_logprobs, visible_mask
from attune_gpu.model_config import expected_tensors, parse_config
from attune_gpu.random_numbers import SAMPLING, uniform
from attune_gpu.tokenizer import Tokenizer, compile_template
from command_line import NODE, ROOT
from runs import TINY
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

IDS = torch.tensor([[(place * 37 + 5) % 61 for place in range(24)]])
COMMON = {"vocab_size": 61, "tie_word_embeddings": False}
SIZES = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16}
LOGITS = {"atol": 2e-5, "rtol": 0}  # float32 sums in another order


def theirs(kind):
    torch.manual_seed(3)
    if kind == "gpt2":
        model = GPT2LMHeadModel(GPT2Config(vocab_size=61, n_embd=24, n_layer=2, n_head=4, n_positions=64))
    elif kind == "qwen2":
        model = Qwen2ForCausalLM(Qwen2Config(**COMMON, **SIZES))
    else:
        rope = {"rope_parameters": LLAMA3} if kind == "llama3" else {}
        model = LlamaForCausalLM(LlamaConfig(**COMMON, **SIZES, attention_bias=kind == "llama-bias", mlp_bias=kind == "llama-bias", **rope))
    for p in model.parameters():  # biases start at zero, where they could not be missed
        p.data += 0.05 * torch.randn_like(p)
    return model.eval()


def ours(model):
    config = parse_config(model.config.to_dict())
    tensors = {name: p.detach().clone() for name, p in model.state_dict().items() if name in expected_tensors(config)}
    assert tensors.keys() == expected_tensors(config).keys()
    assert all(tuple(tensors[name].shape) == shape for name, shape in expected_tensors(config).items())
    return load_transformer(config, tensors, torch.device("cpu"))


def logits(model, ids, adapter=None):
    positions = torch.arange(ids.shape[1])[None].expand_as(ids)
    groups = torch.zeros_like(ids)
    return model(ids, positions, visible_mask(groups, groups), adapter) @ model.head.T


@pytest.mark.parametrize("kind", ["llama", "llama-bias", "llama3", "qwen2", "gpt2"])
def test_logits_and_gradients_are_those_of_transformers(kind):
    reference = theirs(kind)
    model = ours(reference).requires_grad_(True)
    torch.testing.assert_close(logits(model, IDS), reference(IDS).logits, **LOGITS)
    reference(IDS, labels=IDS).loss.backward()
    for model.recompute in (False, True):
        model.zero_grad()
        hidden = model(IDS, torch.arange(24)[None], visible_mask(IDS * 0, IDS * 0))
        (-token_logprobs(hidden[0, :-1], model.head, IDS[0, 1:]).mean()).backward()
        expected = dict(reference.named_parameters())
        for name, p in model.named_parameters():
            torch.testing.assert_close(p.grad, expected[name].grad, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_packed_examples_and_responses_behind_a_prompt_see_what_they_see_alone(kind):
    """A row: one example by itself, then a prompt with two responses."""
    model = ours(theirs(kind))
    alone, prompt, first, second = IDS[:, :5], IDS[:, 5:12], IDS[:, 12:15], IDS[:, 15:20]
    row = torch.cat([alone, prompt, first, second], dim=1)
    groups = torch.tensor([[0] * 5 + [1] * 15])
    parts = torch.tensor([[0] * 5 + [0] * 7 + [1] * 3 + [2] * 5])
    positions = torch.tensor([[*range(5), *range(7), 7, 8, 9, 7, 8, 9, 10, 11]])
    packed = model(row, positions, visible_mask(groups, parts)) @ model.head.T
    torch.testing.assert_close(packed[:, :5], logits(model, alone), **LOGITS)
    torch.testing.assert_close(packed[:, 5:15], logits(model, torch.cat([prompt, first], 1)), **LOGITS)
    torch.testing.assert_close(packed[:, 15:], logits(model, torch.cat([prompt, second], 1))[:, 7:], **LOGITS)
    flexed = model(row, positions, document_mask(groups, parts)) @ model.head.T
    torch.testing.assert_close(flexed, packed, **LOGITS)


def test_logits_a_piece_at_a_time_give_the_same_gradients(monkeypatch):
    torch.manual_seed(1)
    rows, head, labels = torch.randn(9, 4, requires_grad=True), torch.randn(7, 4, requires_grad=True), torch.arange(9) % 7
    whole = torch.autograd.grad(token_logprobs(rows, head, labels).sum(), [rows, head])
    monkeypatch.setattr("attune_gpu.model.MOST_LOGITS", 14)
    pieces = torch.autograd.grad(token_logprobs(rows, head, labels).sum(), [rows, head])
    for a, b in zip(whole, pieces, strict=True):
        torch.testing.assert_close(a, b)


def test_a_new_adapter_changes_nothing_and_one_base_serves_several():
    model = ours(theirs("llama"))
    shape = LoraShape(2, 6, ["q_proj", "down_proj"])
    adapter = new_adapter(model.config, shape, seed=1)
    assert len(adapter.pairs) == 4
    assert torch.equal(logits(model, IDS, adapter), logits(model, IDS))
    other = Adapter(shape, {name: p + 0.1 for name, p in adapter.parameters.items()})
    assert (logits(model, IDS, other) - logits(model, IDS)).abs().max() > 1e-3
    assert torch.equal(logits(model, IDS, adapter), logits(model, IDS))


def test_bf16_keeps_master_weights_and_gradients_in_single_precision():
    model = ours(theirs("llama")).requires_grad_(True)
    with Machine(precision="bf16").autocast():
        rough = logits(model, IDS)
    assert rough.dtype == torch.bfloat16
    torch.testing.assert_close(rough.float(), logits(model, IDS), atol=0.15, rtol=0)  # eight bits of mantissa, logits of about 2
    rough.float().sum().backward()
    assert all(p.dtype == p.grad.dtype == torch.float32 for p in model.parameters())


def test_checkpoints_of_ours_are_opened_with_their_base_and_compute_the_same(llama_lora):
    checkpoint = open_checkpoint(llama_lora.checkpoint)
    assert checkpoint.base_id == open_checkpoint(TINY).id and checkpoint.adapter.rank == 4
    expected = AutoModelForCausalLM.from_pretrained(llama_lora.complete, dtype=torch.float32)(IDS).logits
    with torch.no_grad():
        over_base = logits(*_swap(load_for_reading(checkpoint, Machine(), None)))
        merged = logits(load_transformer(checkpoint.config, checkpoint.complete_weights(), torch.device("cpu")), IDS)
    torch.testing.assert_close(over_base, expected, atol=5e-5, rtol=0)
    torch.testing.assert_close(merged, expected, atol=5e-5, rtol=0)


def _swap(loaded):
    model, adapter = loaded
    return model, IDS, adapter


def test_a_damaged_file_is_named_with_both_sums(llama_full, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in llama_full.checkpoint.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    verify_checkpoint(folder)
    content = bytearray((folder / "tokenizer.json").read_bytes())
    content[100] ^= 1
    (folder / "tokenizer.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"tokenizer.json is damaged: its sha256 is [0-9a-f]{64}, not [0-9a-f]{64}"):
        verify_checkpoint(folder)
    (folder / "tokenizer.json").write_bytes(content[:-1])
    with pytest.raises(CheckpointError, match="bytes, not"):
        open_checkpoint(folder)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_batched_decode_draws_from_the_models_own_distribution(kind):
    """Prompts of several lengths side by side: each token is the draw of docs/formats.md from what the model says without any cache."""
    model = ours(theirs(kind))
    decode = BatchedDecode(model, lambda: None, end_token_ids=[7], machine=Machine())
    prompts, places = [[3, 1, 4], [1] * 9, [5]], [(2, 0), (2, 1), (2, 2)]
    sampled = decode.sample(prompts, places, seed=2**40 + 3, most_tokens=12)
    for prompt, (step, sample), response in zip(prompts, places, sampled, strict=True):
        text = torch.tensor([prompt + response.tokens])
        logprobs = torch.log_softmax(logits(model, text)[0], dim=-1)
        for i, token in enumerate(response.tokens):
            at = len(prompt) + i
            assert response.sampler_logprobs[i] == pytest.approx(float(logprobs[at - 1, token]), abs=1e-4)
            cumulative = logprobs[at - 1].double().exp().cumsum(0)
            draw = float(uniform(2**40 + 3, [SAMPLING, step, sample, at]))
            before = float(cumulative[token - 1]) if token else 0.0
            assert before - 1e-5 <= draw <= float(cumulative[token]) + 1e-5
        assert response.is_ended == (response.tokens[-1] == 7) and 7 not in response.tokens[:-1]
    # What is sampled beside it changes nothing.
    assert decode.sample(prompts[1:2], places[1:2], seed=2**40 + 3, most_tokens=12)[0].tokens == sampled[1].tokens
    greedy = decode.sample(prompts, places, seed=1, most_tokens=4, temperature=0)
    for prompt, response in zip(prompts, greedy, strict=True):
        assert response.tokens[0] == int(logits(model, torch.tensor([prompt]))[0, -1].argmax())


def test_conversations_become_the_texts_of_the_parity_fixtures_and_their_tokens(parity_model, read_fixture):
    """The texts are transformers' own; of a template each, with its own rules."""
    tokenizer, fixture = Tokenizer(parity_model, []), read_fixture("conversations")
    own, checked = tokenizer.template, 0
    for each in fixture["rendered"]:
        if each["continueLast"]:
            continue
        tokenizer.template = own if each["template"] == "own" else compile_template(fixture["templates"][each["template"]])
        ids, text = tokenizer.render(each["messages"])
        assert text == each["text"]
        # Special tokens that a message spells out are text here, and would be tokens to the library.
        if not any(token in message["content"] for message in each["messages"] for token in tokenizer.added):
            assert ids == tokenizer.library.encode(text, add_special_tokens=False).ids
        checked += 1
    assert checked > 40
    for each in read_fixture("strings")[:100]:
        if not any(token in each["text"] for token in tokenizer.added):
            assert tokenizer.encode(each["text"]) == each["ids"]


@pytest.mark.parametrize("folder", ["parity", "tiny"])
def test_both_sides_render_cut_and_spell_out_alike(folder, parity_model):
    """Prompts that fit, lose their oldest turns, are cut in front, or spell out special tokens."""
    path = TINY if folder == "tiny" else parity_model
    long = "The quick brown fox 🦊 jumps over the lazy dog. " * 12
    conversations = [
        [{"role": "user", "content": "a<|im_end|>b<|im_start|>"}],
        [{"role": "user", "content": "one " * 30}, {"role": "assistant", "content": "two"}, {"role": "user", "content": "three"}],
        [{"role": "user", "content": long}],
        [{"role": "user", "content": long + "<|im_end|>"}],
    ]
    script = (
        'import { openCheckpoint } from "@/model/checkpoint/checkpoint"; import { renderConversation } from "@/model/tokenizer/render-conversation";'
        f"const c = await openCheckpoint({json.dumps(str(path))});"
        f"console.log(JSON.stringify({json.dumps(conversations)}.map((m) => renderConversation(c.tokenizer, c.chatTemplate, m, {{ contextLength: 70 }}).tokens)));"
    )
    printed = subprocess.run([NODE, "--import", "tsx", "--input-type=module", "-e", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tokenizer = open_checkpoint(path).tokenizer
    assert [tokenizer.render_within(messages, 70)[0] for messages in conversations] == json.loads(printed)


def test_a_config_is_data_and_stays_as_it_is():
    config = parse_config(json.loads((TINY / "config.json").read_text()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.layer_count = 1
