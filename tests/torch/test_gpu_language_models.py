"""SFT and pretraining on the GPU package agree with the TypeScript engine, and either finishes what the other began."""

import json
import socket
from pathlib import Path

import pytest
import torch
from attune_gpu.errors import ConfigError, PausedError, RunFolderError, UnfitDataError
from attune_gpu.run_loop import accepts, skips_in_a_row
from gpu_runs import LOSS, WEIGHTS, config_of, distance, interrupted_copy, run_attune, run_gpu, state_of, weights_of
from runs import TINY, write_prose

RUNS = ["llama_lora", "llama_full", "gpt2_pretrained", "gpt2_lora"]
MIDDLE = {"llama_lora": 6, "llama_full": 6, "gpt2_pretrained": 14, "gpt2_lora": 6}


@pytest.fixture(params=RUNS)
def named_run(request):
    return request.param, request.getfixturevalue(request.param)


def given_of(run, output: Path) -> dict:
    return {**config_of(Path(run.settings["output"]).parent), "output": str(output)}


def stage_of(run) -> str:
    return run.settings["stage"]


def test_a_whole_run_gives_the_checkpoint_of_the_typescript_engine(named_run, tmp_path):
    _, run = named_run
    summary = run_gpu(stage_of(run), given_of(run, tmp_path / "run"))
    assert summary["steps"] == summary["totalSteps"] == run.summary["totalSteps"]
    for key in ("validationLossBefore", "validationLoss"):
        assert summary[key] == pytest.approx(run.summary[key], abs=LOSS)
    ours = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    start = run.base if not run.settings.get("lora") else run.checkpoints[0]
    assert distance(ours, run.checkpoint) < WEIGHTS
    assert start == run.checkpoint or distance(start, run.checkpoint) > 10 * WEIGHTS
    mine, theirs = state_of(ours), state_of(run.checkpoint)
    assert mine.keys() == theirs.keys() and list(mine) == list(theirs)
    for key in ("configSha256", "step", "epoch", "optimizerSteps", "tokensSeen", "seed", "threads", "skippedSteps"):
        assert mine[key] == theirs[key], key
    run_files = [json.loads((Path(folder) / "run.json").read_text()) for folder in (tmp_path / "run", run.settings["output"])]
    assert run_files[0] == run_files[1]
    manifests = [json.loads((folder / "attune.json").read_text()) for folder in (ours, run.checkpoint)]
    for manifest in manifests:
        manifest["files"] = sorted(manifest["files"])
    assert manifests[0] == manifests[1]
    # What the start says; a near-tie may flip after the last step on another engine, but hardly in all of them.
    mine, theirs = summary["samples"], run.summary["samples"]
    assert len(mine) == len(theirs) > 0 and [(each["prompt"], each["before"]) for each in mine] == [(each["prompt"], each["before"]) for each in theirs]
    assert any(a["after"] == b["after"] for a, b in zip(mine, theirs, strict=True))


def test_what_attune_began_is_finished_here(named_run, tmp_path):
    name, run = named_run
    output = interrupted_copy(Path(run.settings["output"]), tmp_path / "run", MIDDLE[name])
    events = []
    run_gpu(stage_of(run), given_of(run, output), on_event=events.append)
    assert [event["step"] for event in events if event["type"] == "resumed"] == [MIDDLE[name]]
    assert distance(sorted((output / "checkpoints").iterdir())[-1], run.checkpoint) < 1e-5


def test_what_was_begun_here_is_finished_by_attune(llama_lora, tmp_path):
    given, steps = given_of(llama_lora, tmp_path / "run"), []
    # The signal comes in the seventh step: it is saved, and the run ends.
    summary = run_gpu("sft", given, on_event=lambda event: steps.append(event) if event["type"] == "step" else None, is_stopping=lambda: len(steps) == 7)
    assert (summary["steps"], summary["finished"]) == (7, False)
    finished = run_attune("sft", given, tmp_path / "attune")
    assert (finished["steps"], finished["finished"]) == (llama_lora.summary["totalSteps"], True)
    assert finished["validationLoss"] == pytest.approx(llama_lora.summary["validationLoss"], abs=LOSS)
    checkpoints = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert distance(checkpoints[-1], llama_lora.checkpoint) < WEIGHTS


def test_dropout_packing_of_mixed_text_and_recomputation_agree_too(demonstrations, gpt2_pretrained, tmp_path):
    prose = config_of(Path(gpt2_pretrained.settings["output"]).parent)["data"]
    given = {
        "model": str(TINY), "data": [str(demonstrations)], "output": str(tmp_path / "theirs" / "run"), "rowLength": 64, "rowsPerBatch": 3, "epochs": 2,
        "lora": {"rank": 4, "alpha": 8}, "lr": 3e-3, "epsilon": 1e-5, "dropout": 0.2, "pretrainMix": {"data": prose, "share": 0.3}, "sampleTokens": 0, "threads": 2,
    }  # fmt: skip
    theirs = run_attune("sft", given, tmp_path / "theirs")
    ours = run_gpu("sft", {**given, "output": str(tmp_path / "ours"), "recompute": True})
    assert ours["totalSteps"] == theirs["totalSteps"] and ours["validationLoss"] == pytest.approx(theirs["validationLoss"], abs=5e-5)
    folders = [sorted((folder / "checkpoints").iterdir())[-1] for folder in (tmp_path / "theirs" / "run", tmp_path / "ours")]
    # Without B, A's gradients are rounding; with dropout they stay smaller for longer.
    assert distance(*folders) < 5 * WEIGHTS


def test_bf16_trains_to_about_the_same_loss(llama_lora, tmp_path):
    from attune_gpu.config import read_config
    from attune_gpu.machine import Machine
    from attune_gpu.run_loop import Hooks
    from attune_gpu.stages import run

    given = {**given_of(llama_lora, tmp_path / "run"), "sampleTokens": 0, "evaluateEverySteps": 12}
    summary = run("sft", read_config("sft", given), Machine(precision="bf16"), Hooks())
    before, after = llama_lora.summary["validationLossBefore"], llama_lora.summary["validationLoss"]
    assert abs(summary["validationLoss"] - after) < 0.1 * (before - after)
    assert all(tensor.dtype == torch.float32 for tensor in weights_of(Path(summary["checkpoint"])).values())


def test_unfit_lines_are_named_and_nothing_is_trained(tmp_path):
    file = tmp_path / "demonstrations.jsonl"
    file.write_text('{"prompt": "a", "response": "b"}\nno json\n{"prompt": "a"}\n{"messages": [{"role": "wizard", "content": "x"}]}\n')
    with pytest.raises(UnfitDataError) as error:
        run_gpu("sft", {"model": str(TINY), "data": [str(file)], "output": str(tmp_path / "run")})
    for fact in (":2 is not JSON", ":3 has none of the fields", "unknown role 'wizard'"):
        assert fact in str(error.value)
    assert not (tmp_path / "run").exists()


def test_another_runs_folder_and_another_shape_of_adapter_are_refused(llama_lora, tmp_path):
    output = interrupted_copy(Path(llama_lora.settings["output"]), tmp_path / "run", 6)
    with pytest.raises(RunFolderError, match="lr is 0.003 there and 0.004 here"):
        run_gpu("sft", {**given_of(llama_lora, output), "lr": 4e-3})
    with pytest.raises(ConfigError, match=r"lora.rank: 8 is asked for"):
        run_gpu("sft", {**given_of(llama_lora, tmp_path / "new"), "model": str(llama_lora.checkpoint), "lora": {"rank": 8}})


def test_a_folder_that_another_process_trains_in_is_refused(llama_lora, tmp_path):
    from attune_gpu.folder_lock import folder_lock

    output = interrupted_copy(Path(llama_lora.settings["output"]), tmp_path / "run", 6)
    with folder_lock(output / "run.lock", "sft"), pytest.raises(RunFolderError, match=r"in use by process \d+ \(sft"):
        run_gpu("sft", given_of(llama_lora, output))
    # The lock of a process that is gone is taken over.
    gone = {"pid": 2**22 - 1, "startTime": "1 x", "host": socket.gethostname(), "purpose": "sft", "takenAt": "", "nonce": "n"}
    (output / "run.lock").write_text(json.dumps(gone))
    assert run_gpu("sft", given_of(llama_lora, output))["finished"]


def test_three_bad_steps_in_a_row_pause_the_run_and_the_same_command_goes_on_behind_them(demonstrations, tmp_path, monkeypatch):
    from attune_gpu.language_model import LanguageModelTrainer

    given = {"model": str(TINY), "data": [str(demonstrations)], "output": str(tmp_path / "run"), "rowLength": 64, "rowsPerBatch": 2, "epochs": 1, "sampleTokens": 0, "threads": 2}
    honest, bad = LanguageModelTrainer.summed_loss, {2, 3, 4}

    def summed_loss(trainer, batch, drop=None):
        loss = honest(trainer, batch, drop)
        return loss * float("nan") if torch.is_grad_enabled() and at[0] in bad else loss

    at = [0]
    step = LanguageModelTrainer.step
    monkeypatch.setattr(LanguageModelTrainer, "step", lambda trainer, batches, number, lr, accepted: (at.__setitem__(0, number), step(trainer, batches, number, lr, accepted))[1])
    monkeypatch.setattr(LanguageModelTrainer, "summed_loss", summed_loss)
    with pytest.raises(PausedError, match="steps 3 to 5 were left out"):
        run_gpu("sft", given)
    assert state_of(tmp_path / "run" / "checkpoints" / "step-000005")["skippedSteps"] == [2, 3, 4]
    assert run_gpu("sft", given)["finished"]


def test_spikes_are_told_as_the_typescript_engine_tells_them():
    settings = {"spikeFactor": 3}
    few, many = {"recentLosses": [2.0] * 19}, {"recentLosses": [2.0] * 20}
    assert accepts(6.1, few, settings) and not accepts(6.1, many, settings) and accepts(6.0, many, settings)
    assert accepts(2.9, {"recentLosses": [0.1] * 30}, settings) and not accepts(3.1, {"recentLosses": [0.1] * 30}, settings)
    assert not accepts(float("nan"), few, settings) and accepts(1e9, many, {"spikeFactor": None})
    assert [skips_in_a_row([3, 4, 5, 6], step) for step in (5, 6, 7, 8)] == [2, 0, 1, 0]


def test_what_cannot_be_made_here_is_said(tmp_path):
    file = tmp_path / "text.txt"
    file.write_text("A text.\n" * 40)
    given = {"data": [str(file)], "tokenizer": {"vocabularySize": 300}, "output": str(tmp_path / "run")}
    with pytest.raises(UnfitDataError, match=r"gives a vocabulary of \d+ tokens, not 300: no pair is left to merge. Ask for at most"):
        run_gpu("pretrain", given)
    with pytest.raises(ConfigError, match="3 heads do not divide a hiddenSize of 128"):
        run_gpu("pretrain", {**given, "architecture": {"family": "llama", "headCount": 3}})


def test_a_tokenizer_made_of_text_and_the_model_over_it_are_the_typescript_engines_byte_for_byte(tmp_path):
    """Both keep what they begin with in start/; one step is enough to get there."""
    shape = {"family": "llama", "hiddenSize": 16, "intermediateSize": 32, "layerCount": 1, "headCount": 2, "keyValueHeadCount": 1, "contextLength": 64}
    given = {"data": [str(write_prose(tmp_path))], "tokenizer": {"vocabularySize": 330}, "architecture": shape, "epochs": 1, "rowsPerBatch": 64, "sampleTokens": 0, "threads": 2}
    run_gpu("pretrain", {**given, "output": str(tmp_path / "ours")})
    run_attune("pretrain", {**given, "output": str(tmp_path / "theirs")}, tmp_path / "config")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja", "config.json"):
        ours, theirs = ((tmp_path / side / "start" / name).read_bytes() for side in ("ours", "theirs"))
        assert ours == theirs, name
    assert json.loads((tmp_path / "ours" / "run.json").read_text())["base"] is None
