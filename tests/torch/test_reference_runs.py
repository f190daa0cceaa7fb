"""docs/formats.md is enough for a second implementation: tests/torch/reference follows it and goes on with our runs."""

import re

import numpy as np
import pytest
import torch
from command_line import ROOT
from reference.random_numbers import held_out, normal, permutation, philox, uniform
from reference.training import ReferenceRun
from safetensors.torch import load_file

RUNS = ["llama_lora", "llama_full", "gpt2_pretrained", "gpt2_lora"]


@pytest.fixture(scope="session", params=RUNS)
def run(request):
    return request.getfixturevalue(request.param)


def vectors(what: str) -> list[tuple[list[int], str]]:
    """The rows of the table of test vectors that begin with a word: the numbers of the first column, and the second."""
    rows = re.findall(rf"^\| `?{what}`?[ ,](.*?)\| `(.*?)` *\|$", (ROOT / "docs" / "formats.md").read_text(), re.M)
    assert rows, f"docs/formats.md has no test vector of {what}"
    return [([eval_power(number) for number in re.findall(r"\d+(?:\^\d+)?(?: [+-] \d+)?", first)], value) for first, value in rows]


def eval_power(text: str) -> int:
    """2^40 + 3"""
    base, power, sign, more = re.fullmatch(r"(\d+)(?:\^(\d+))?(?: ([+-]) (\d+))?", text).groups()
    return int(base) ** int(power or 1) + int(f"{sign or ''}{more or 0}")


def test_philox_and_uniform_give_the_test_vectors():
    for [*numbers], value in vectors("philox"):
        key, counter = numbers[:2], numbers[2:]
        words = philox(key[0] + 2**32 * key[1], counter)
        assert " ".join(f"{int(word):08x}" for word in words) == value
    for [seed, *counter], value in vectors("uniform"):
        assert float(uniform(seed, counter)) == float(value)


def test_permutations_and_splits_give_the_test_vectors():
    for [seed, epoch, size], value in vectors("permutation"):
        assert permutation(seed, epoch, size) == [int(place) for place in value.split()]
    for [seed, size, percent], value in vectors("held out"):
        assert held_out(seed, size, percent / 100) == {int(place) for place in value.split()}


def test_normal_draws_give_the_test_vectors():
    for [seed, tensor, size, std], value in vectors("normal"):
        expected = np.array(value.split(), dtype=np.float64)
        # Nine digits name a float32; cosine and logarithm may differ in the last bit.
        np.testing.assert_allclose(normal(seed, tensor, size, std), expected, rtol=2e-7)


def test_new_weights_are_the_draws_of_the_format(gpt2_pretrained):
    weights = load_file(gpt2_pretrained.base / "model.safetensors")
    model = ReferenceRun(gpt2_pretrained.settings, gpt2_pretrained.base).model
    for number, (name, parameter) in enumerate(model.named_parameters()):
        if parameter.dim() == 1:
            assert (weights[name] == (0 if name.endswith("bias") else 1)).all(), name
            continue
        draws = normal(gpt2_pretrained.settings["seed"], number, parameter.numel(), 0.02).reshape(parameter.shape)
        # Cosine and logarithm may differ in the last bit.
        np.testing.assert_allclose(weights[name].numpy(), draws, rtol=1e-6, atol=1e-9)


def test_a_run_of_ours_is_gone_on_with_to_the_same_weights(run):
    middle, last = run.checkpoints[-2:]
    reference = ReferenceRun(run.settings, run.base)
    assert len(reference.steps) == run.summary["totalSteps"]
    reference.resume(middle)
    assert 0 < reference.first_step <= len(reference.steps) - 6
    before = {name: p.detach().clone() for name, p in reference.trained.items()}
    reference.train()
    assert distance(before, run) > 5e-4, "the steps change nothing that the comparison could see"
    # Sums in another order, over six steps and more.
    assert distance(reference.trained, run) < 1e-5
    assert reference.evaluate() == pytest.approx(run.summary["validationLoss"], abs=1e-5)


def test_a_whole_run_of_ours_is_repeated_from_its_settings(run):
    reference = ReferenceRun(run.settings, run.base)
    assert reference.evaluate() == pytest.approx(run.summary["validationLossBefore"], abs=1e-5)
    reference.train()
    # The first steps of AdamW divide gradients by themselves: of those that are about zero, rounding is a good part.
    assert distance(reference.trained, run) < 1e-4
    assert reference.evaluate() == pytest.approx(run.summary["validationLoss"], abs=1e-5)


def distance(trained: dict[str, torch.Tensor], run) -> float:
    """The largest difference from the weights of the run's last checkpoint."""
    lora = run.settings.get("lora")
    ours = load_file(run.adapter / "adapter_model.safetensors" if lora else run.checkpoint / "model.safetensors")
    assert ours.keys() == trained.keys()
    return max(float((ours[name] - p.detach()).abs().max()) for name, p in trained.items())
