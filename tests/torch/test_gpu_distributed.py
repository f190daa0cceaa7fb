"""A run on several processes under torchrun is the run of one: same losses, same files, gone on with by any number of them, a lost one included."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from attune_gpu.config import read_config
from attune_gpu.errors import ConfigError, MachineError
from attune_gpu.restarts import stays_stopped
from command_line import ROOT
from gpu_runs import LOSS, WEIGHTS, distance, interrupted_copy, run_gpu, state_of
from runs import NOUNS, TINY, write_prose, write_rankings

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "model" / "gpu"), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
LINES = Path(__file__).parent / "distributed_runs.py"


def torchrun(processes: int, *arguments, restarts: int = 0) -> list[str]:
    options = [f"--nproc-per-node={processes}", f"--max-restarts={restarts}", "--standalone"]
    return [sys.executable, "-m", "torch.distributed.run", *options, *map(str, arguments)]


def run_many(processes: int, runs: dict[str, tuple[str, dict]], folder: Path, *options: str) -> None:
    """All in one launch: most of a launch is loading PyTorch."""
    lines = []
    for name, (stage, given) in runs.items():
        (folder / f"{name}.json").write_text(json.dumps(given))
        lines.append([stage, "--config", str(folder / f"{name}.json"), "--device", "cpu", *options])
    (folder / "lines.json").write_text(json.dumps(lines))
    done = subprocess.run(torchrun(processes, LINES, folder / "lines.json"), env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout


def last(output: Path) -> Path:
    return sorted((output / "checkpoints").iterdir())[-1]


class Alone:
    """Short runs of each kind of weights in one process: whole models of both families, adapters, heads, with dropout, recomputation and rows that no
    number of processes divides."""

    def __init__(self, demonstrations: Path, folder: Path):
        self.folder = folder
        common = {"threads": 2, "warmupSteps": 2, "saveEverySteps": 2, "evaluateEverySteps": 1000, "validationShare": 0.15}
        sft = {"model": str(TINY), "data": [str(demonstrations)], "rowLength": 64, "rowsPerBatch": 3, "batchesPerStep": 2, "epochs": 1, "sampleTokens": 4, **common}
        sizes = {"hiddenSize": 40, "intermediateSize": 72, "layerCount": 2, "headCount": 2, "contextLength": 64}
        reward = {"model": str(TINY), "data": [str(write_rankings(folder))], "promptsPerBatch": 5, "tokensPerBatch": 160, **common, "validationShare": 0.3}
        prompts = folder / "prompts.jsonl"
        prompts.write_text("".join(json.dumps({"prompt": f"Tell me about a {noun}."}) + "\n" for noun in NOUNS))
        ppo = {
            "model": str(TINY), "acceptFailedProbes": True, "data": [str(prompts)], "iterations": 2, "episodesPerIteration": 6, "responseTokens": 5,
            "unfinishedScore": None, "minibatches": 2, "tokensPerBatch": 64, "epsilon": 1e-5, "warmupSteps": 0, "criticWarmup": 0, "validationShare": 0.2,
            "evaluationPrompts": 3, "evaluateEverySteps": 2, "saveEverySteps": 1, "threads": 2,
        }  # fmt: skip
        self.kinds = {
            "full": ("sft", {**sft, "lora": None, "lr": 5e-4, "weightDecay": 0.1, "recompute": True, "dropout": 0.1}),
            "lora": ("sft", {**sft, "lora": {"rank": 4, "alpha": 12}, "lr": 3e-3, "epsilon": 1e-5, "dropout": 0.1}),
            "gpt2": ("pretrain", {
                "tokenizer": str(TINY), "data": [str(write_prose(folder))], "architecture": {"family": "gpt2", **sizes}, "rowsPerBatch": 10, "lr": 3e-3,
                "epochs": 1, "sampleTokens": 4, **common,
            }),
            "rewardFull": ("reward", {**reward, "lora": None, "lr": 1e-3, "ensemble": 2}),
            "rewardLora": ("reward", {**reward, "lora": {"rank": 4, "alpha": 12}, "lr": 3e-3, "epsilon": 1e-5, "dropout": 0.1}),
            "ppoFull": ("ppo", {**ppo, "lora": None, "lr": 1e-4, "ema": 0.9, "rewardModels": [str(self.checkpoint("rewardFull"))]}),
            "ppoLora": ("ppo", {**ppo, "lora": {"rank": 4, "alpha": 8}, "lr": 3e-3, "rewardModels": [str(self.checkpoint("rewardLora"))]}),
        }  # fmt: skip

    def checkpoint(self, name: str) -> Path:
        """Its last one; of a name that all know before it is there."""
        return self.folder / f"{name}-last"

    def output(self, name: str) -> Path:
        if not (self.folder / name).exists():
            stage, given = self.kinds[name]
            run_gpu(stage, {**given, "output": str(self.folder / name)})
            self.checkpoint(name).symlink_to(last(self.folder / name))
        return self.folder / name

    def given(self, names: list[str], folder: Path) -> dict[str, tuple[str, dict]]:
        for name in ["rewardFull", "rewardLora", *names]:
            self.output(name)
        return {name: (self.kinds[name][0], {**self.kinds[name][1], "output": str(folder / name)}) for name in names}


@pytest.fixture(scope="module")
def alone(demonstrations, tmp_path_factory) -> Alone:
    return Alone(demonstrations, tmp_path_factory.mktemp("alone"))


def expect_same(one: Path, several: Path, losses: float = LOSS, weights: float = WEIGHTS) -> None:
    mine, theirs = state_of(last(one)), state_of(last(several))
    assert theirs["recentLosses"] == pytest.approx(mine["recentLosses"], abs=losses)
    assert len({*mine["recentLosses"]}) >= 2
    for key in ("configSha256", "step", "optimizerSteps", "tokensSeen", "seed"):
        assert mine[key] == theirs[key], key
    for key in ("validationLoss", "pairAccuracy", "heldOutScore", "heldOutKl"):
        assert theirs.get(key) == pytest.approx(mine.get(key), abs=losses), key
    assert distance(last(one), last(several)) < weights
    assert sorted(each.name for each in last(one).rglob("*")) == sorted(each.name for each in last(several).rglob("*"))


def test_two_processes_run_what_one_does_and_one_goes_on_with_it(alone, tmp_path):
    names = list(alone.kinds)
    run_many(2, alone.given(names, tmp_path), tmp_path)
    for name in names:
        # What PPO learns from is divided by its spread, and so is rounding.
        expect_same(alone.output(name), tmp_path / name, *((1e-4, 1e-3) if name.startswith("ppo") else (LOSS, WEIGHTS)))
    stage, given = alone.kinds["full"]
    output = interrupted_copy(tmp_path / "full", tmp_path / "rest", 2)
    run_gpu(stage, {**given, "output": str(output)})
    expect_same(alone.output("full"), output)


def test_four_processes_finish_what_one_began(alone, tmp_path):
    runs = alone.given(["full", "rewardFull", "ppoFull"], tmp_path)
    for name, step in (("full", 2), ("rewardFull", 2), ("ppoFull", 1)):
        interrupted_copy(alone.output(name), tmp_path / name, step)
    run_many(4, runs, tmp_path)
    for name in runs:
        expect_same(alone.output(name), tmp_path / name, *((1e-4, 1e-3) if name.startswith("ppo") else (LOSS, WEIGHTS)))


def test_models_may_be_whole_in_each_process(alone, tmp_path):
    runs = alone.given(["lora", "ppoLora"], tmp_path)
    run_many(2, runs, tmp_path, "--replicate")
    expect_same(alone.output("lora"), tmp_path / "lora")
    expect_same(alone.output("ppoLora"), tmp_path / "ppoLora", 1e-4, 1e-3)


def process_of(rank: int, config: Path) -> int:
    """Of the launch with this file of settings."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments, environment = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if str(config).encode() in arguments and f"RANK={rank}".encode() in environment:
            return int(folder.name)
    raise AssertionError(f"no process of rank {rank}")


def test_a_lost_process_is_started_again_and_the_run_comes_to_the_same_end(alone, tmp_path):
    stage, given = alone.kinds["full"]
    given = {**given, "rowsPerBatch": 1, "batchesPerStep": 1, "sampleTokens": 0, "recompute": False}
    run_gpu(stage, {**given, "output": str(tmp_path / "alone")})
    config = tmp_path / "config.json"
    config.write_text(json.dumps({**given, "output": str(tmp_path / "run")}))
    command = torchrun(2, "-m", "attune_gpu", stage, "--config", config, "--device", "cpu", restarts=1)
    lines, is_killed = [], False
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as launched:
        for line in launched.stdout:
            lines.append(line)
            if not is_killed and line.startswith("saved: step 4"):
                is_killed = True
                os.kill(process_of(1, config), signal.SIGKILL)
    assert launched.returncode == 0, "".join(lines)
    assert is_killed and [line for line in lines if line.startswith("resumed:")]
    expect_same(tmp_path / "alone", tmp_path / "run")


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes on this machine."""
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 3, "num_gpus": 0, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=node)
    made.add_node(**node)
    ray.init(address=made.address, log_to_driver=True)
    yield made
    ray.shutdown()
    made.shutdown()


def test_ray_places_trainers_generators_and_scorers_on_two_nodes_and_the_run_is_that_of_one_process(alone, cluster, tmp_path, capsys):
    from attune_gpu.ray_run import Crew, run_on_ray

    (stage, given) = alone.given(["ppoLora"], tmp_path)["ppoLora"]
    crew = Crew(trainers=2, generators=2, scorers=1, restarts=0)
    summary = run_on_ray(stage, read_config(stage, given), crew, address=None, is_stopping=lambda: False)
    assert summary["finished"]
    placed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("placed: "))
    generators = re.search(r"generators on \['(\w+)', '(\w+)'\]", placed)
    assert generators and generators[1] != generators[2], placed
    expect_same(alone.output("ppoLora"), tmp_path / "ppoLora", 1e-4, 1e-3)
    with pytest.raises(MachineError, match="has no room for 9 x Trainer"):
        run_on_ray("sft", {}, Crew(trainers=9, room_seconds=1), address=None, is_stopping=lambda: False)


def test_what_people_decide_is_not_restarted(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "attempt_0" / "0" / "error.json"))
    with pytest.raises(MachineError), stays_stopped():
        raise MachineError("out of memory")
    with pytest.raises(ConfigError), stays_stopped():
        raise ConfigError("lr: expected a number")
    with pytest.raises(Exception, match="Not restarted: lr: expected a number"), stays_stopped():
        raise AssertionError("it has begun")
