"""Checkpoints that Attune's importer wrote load in transformers and compute what the source model computed."""

import base64

import numpy as np
import pytest
import torch
from conftest import PARITY
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

FAMILIES = ["llama", "qwen2", "gpt2"]


@pytest.fixture(scope="session", params=FAMILIES)
def tiny(request, import_gguf, read_fixture):
    return import_gguf(PARITY / f"tiny-{request.param}.gguf"), read_fixture(f"tiny-{request.param}")


def load(folder):
    """The model in float32; every tensor must be in the file and in the model."""
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
    return model.eval()


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")


def test_tiny_models_compute_the_logits_of_their_source(tiny):
    folder, expected = tiny
    with torch.no_grad():
        logits = load(folder)(torch.tensor([expected["ids"]])).logits[0].numpy()  # (T, V)
    np.testing.assert_allclose(logits, floats(expected["logits"]).reshape(logits.shape), atol=1e-4)


def test_tiny_tokenizers_give_the_ids_of_their_source(tiny):
    folder, expected = tiny
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row in expected["texts"]:
        assert tokenizer.encode(row["text"], add_special_tokens=False) == row["ids"], row["text"]


def test_our_safetensors_files_open_in_the_reference_reader(tiny):
    folder, _ = tiny
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
        names = list(file.keys())
        assert len(names) > 20
        for name in names:
            assert torch.isfinite(file.get_tensor(name)).all(), name


def test_the_parity_model_computes_the_logits_of_the_fixture(parity_model, read_fixture):
    model, fixture = load(parity_model), read_fixture("logits")
    for row in fixture["prompts"]:
        with torch.no_grad():
            logits = model(torch.tensor([row["ids"]])).logits[0, -1]
        # Other processors add in another order: 1e-3 is what the fixture asks of us, too.
        np.testing.assert_allclose(logits[fixture["vocabulary"]].numpy(), floats(row["logits"]), atol=1e-3)
        assert int(logits.argmax()) == row["argmax"]
        assert abs(float(torch.logsumexp(logits.double(), 0)) - row["logsumexp"]) < 1e-3


def test_the_parity_model_generates_the_greedy_tokens_of_the_fixture(parity_model, read_fixture):
    model = load(parity_model)
    for row in read_fixture("logits")["prompts"][::7]:
        ids = torch.tensor([row["ids"]])
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, min_new_tokens=0, max_new_tokens=64, eos_token_id=-1
        )
        assert made[0, len(row["ids"]) :].tolist() == row["greedy"], row["text"]
