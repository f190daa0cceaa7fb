"""`attune-gpu bench` at toy size: every figure is there, counted as it says, and none is passed off as a GPU's."""

import json

import pytest
from attune_gpu.bench import LLAMA_1B, LLAMA_8B, Case, Sizes, cases, peak_flops, throughput
from attune_gpu.cli import main
from attune_gpu.machine import Machine
from attune_gpu.model_config import parameter_count

PHASES = {"generation", "scoring", "policy", "reference", "value", "update"}


def test_every_figure_is_there_and_says_that_it_is_a_toys(capsys):
    assert main(["bench", "--json", "--device", "cpu", "--rounds", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["isToy"] and "nothing about a GPU" in told["note"] and told["hardware"]["device"] == "cpu" and told["hardware"]["peakFlops"] is None
    assert [case["name"] for case in told["cases"]] == ["full-toy", "lora-toy"]
    for case in told["cases"]:
        for figures in (case["sft"], case["reward"], case["ppo"]["update"]):
            assert figures["tokensPerSecond"] > 0 and figures["mfu"] is None
        assert case["ppo"]["generation"]["tokensPerSecond"] > 0 and case["sft"]["expectedBytes"] > 4 * case["trained"]
        seconds = case["ppo"]["iteration"]
        assert seconds["phases"].keys() == PHASES and seconds["seconds"] == pytest.approx(sum(seconds["phases"].values()))
        assert case["ppo"]["beside"]["why"] or case["ppo"]["beside"]["ratio"] > 0


def test_shapes_and_flops_are_those_that_were_said(monkeypatch):
    assert parameter_count(LLAMA_1B) == 1_235_814_400 and parameter_count(LLAMA_8B) == 8_030_261_248
    full, adapter = cases(is_toy=False)
    assert full.flops_per_token == 6 * 1_235_814_400 and adapter.flops_per_token == 4 * 8_030_261_248
    assert Sizes().episodes == 256 and full.lora is None and isinstance(adapter, Case)
    monkeypatch.setattr(Machine, "describe", lambda machine: {"name": "NVIDIA H100 80GB HBM3"})
    machine = Machine(precision="bf16")
    # Half of the peak.
    assert throughput(1000, 1000 * full.flops_per_token / (0.5 * peak_flops(machine)), full.flops_per_token, machine)["mfu"] == pytest.approx(0.5)
