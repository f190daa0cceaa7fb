"""What a person is told when a machine cannot do it: memory, CUDA, disk."""

import errno
import re

import pytest
import torch
from attune_gpu import safetensors_file
from attune_gpu.cli import main
from attune_gpu.errors import MachineError
from attune_gpu.language_model import LanguageModelTrainer
from attune_gpu.machine import Machine, choose_machine
from gpu_runs import run_gpu
from runs import TINY


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_out_of_memory_says_what_to_lower(error, demonstrations, tmp_path, monkeypatch):
    def step(*arguments):
        raise error

    monkeypatch.setattr(LanguageModelTrainer, "step", step)
    # A machine on which the run cannot fit: what is told is what would.
    monkeypatch.setattr(Machine, "describe", lambda machine: {"device": "cpu", "deviceCount": 1, "memoryBytes": 40_000_000})
    notes = []
    with pytest.raises(MachineError) as told:
        given = {"model": str(TINY), "data": [str(demonstrations)], "output": str(tmp_path / "run"), "rowsPerBatch": 64, "rowLength": 64, "sampleTokens": 0, "threads": 2}
        run_gpu("sft", given, on_event=lambda event: notes.append(event.get("text", "")))
    figure = r"\d[\d.]* [MG]B"
    assert re.search(rf"About {figure} of memory will be in use at once, of 40 MB here: weights {figure}, moments .* That is more than fits", "".join(notes))
    assert re.match(rf"Out of memory in sft: about {figure} of 40 MB were expected to be in use. Lower rowsPerBatch from 64 to (2|4|8|16), which takes about {figure}", str(told.value))


def test_any_other_fault_of_computation_keeps_its_own_words(demonstrations, tmp_path, monkeypatch):
    monkeypatch.setattr(LanguageModelTrainer, "step", lambda *arguments: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="size"):
        run_gpu("sft", {"model": str(TINY), "data": [str(demonstrations)], "output": str(tmp_path / "run"), "rowLength": 64, "sampleTokens": 0, "threads": 2})


def test_cuda_that_is_not_there_or_too_new_is_named(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: False)
    with pytest.raises(MachineError, match="is built without CUDA"):
        choose_machine("cuda")
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)

    def zeros(*arguments, **options):
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")

    monkeypatch.setattr(torch, "zeros", zeros)
    with pytest.raises(MachineError, match=r"The NVIDIA driver on your system is too old.*update the driver or install a PyTorch"):
        choose_machine("cuda:0")
    with pytest.raises(MachineError, match="choose fp32 or bf16"):
        choose_machine("cpu", "fp16")


def test_a_full_disk_says_how_much_was_wanted(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safetensors_file.os, "fsync", full)
    with pytest.raises(MachineError, match="The disk is full: .*big.bin, 2 MB, was not written"):
        safetensors_file.write_durably(tmp_path / "big.bin", b"x" * 2_000_000)


def test_the_command_line_trains_and_ends_with_a_summary(demonstrations, tmp_path, capsys):
    given = {"model": TINY, "data": f'["{demonstrations}"]', "output": tmp_path / "run", "epochs": 1, "rowLength": 64, "sampleTokens": 0, "threads": 2}
    settings = [argument for key, value in given.items() for argument in ("--set", f"{key}={value}")]
    assert main(["sft", "--device", "cpu", "--json", *settings]) == 0
    assert '"finished": true' in capsys.readouterr().out.splitlines()[-1]
    assert main(["sft", "--device", "cpu", *settings, "--set", "model=/nowhere"]) == 1
    assert "/nowhere is no folder" in capsys.readouterr().err
