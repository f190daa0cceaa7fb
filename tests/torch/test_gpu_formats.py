"""docs/formats.md is enough for a second implementation: its test vectors come out of the GPU package, and new weights are its draws."""

import re

import numpy as np
from attune_gpu.model_config import expected_tensors, parse_config
from attune_gpu.random_numbers import held_out, normal, permutation, philox, uniform
from command_line import ROOT
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM


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


def test_new_weights_are_the_draws_of_the_format_in_transformers_order(gpt2_pretrained):
    weights = load_file(gpt2_pretrained.base / "model.safetensors")
    model = AutoModelForCausalLM.from_pretrained(gpt2_pretrained.base)
    assert [name for name, _ in model.named_parameters()] == list(expected_tensors(parse_config(model.config.to_dict())))
    for number, (name, parameter) in enumerate(model.named_parameters()):
        if parameter.dim() == 1:
            assert (weights[name] == (0 if name.endswith("bias") else 1)).all(), name
            continue
        draws = normal(gpt2_pretrained.settings["seed"], number, parameter.numel(), 0.02).reshape(parameter.shape)
        # Cosine and logarithm may differ in the last bit.
        np.testing.assert_allclose(weights[name].numpy(), draws, rtol=1e-6, atol=1e-9)
