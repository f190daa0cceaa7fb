"""What the tests of this folder share: the parity model, the fixtures, Attune's command line, and runs of its stages."""

import gzip
import json
import os
from pathlib import Path

import pytest
import runs
from command_line import ROOT, attune

PARITY = ROOT / "tests" / "fixtures" / "parity"


@pytest.fixture(scope="session")
def parity_model() -> Path:
    """The checkpoint folder that Attune's importer wrote; `npm run test:torch` says where it is."""
    return Path(os.environ["ATTUNE_PARITY_MODEL"])


@pytest.fixture(scope="session")
def read_fixture():
    return lambda name: json.loads(gzip.decompress((PARITY / f"{name}.json.gz").read_bytes()))


@pytest.fixture(scope="session")
def import_gguf(tmp_path_factory):
    """Imports a GGUF file with the compiled command line and returns the checkpoint folder."""

    def run(gguf: Path) -> Path:
        data = tmp_path_factory.mktemp("data")
        attune("models", "pull", gguf, data=data)
        (folder,) = [path.parent for path in data.glob("models/*/attune.json")]
        return folder

    return run


@pytest.fixture(scope="session")
def demonstrations(tmp_path_factory) -> Path:
    return runs.write_demonstrations(tmp_path_factory.mktemp("demonstrations"))


def reward(model: Path, folder: Path, **more):
    config = {
        "model": str(model),
        "data": [str(runs.write_rankings(folder))],
        "promptsPerBatch": 4,
        "validationShare": 0.2,
        "lr": 3e-3,
        # As in llama_lora: a new adapter's first gradients are hardly more than rounding.
        "epsilon": 1e-5,
    }
    return runs.run_stage("reward", {**config, **more}, folder)


@pytest.fixture(scope="session")
def llama_reward_lora(tmp_path_factory):
    lora = {"rank": 4, "alpha": 12, "targets": ["q_proj", "v_proj", "down_proj"]}
    return reward(runs.TINY, tmp_path_factory.mktemp("llama-reward-lora"), lora=lora)


@pytest.fixture(scope="session")
def llama_reward_full(tmp_path_factory):
    return reward(runs.TINY, tmp_path_factory.mktemp("llama-reward-full"), lora=None, lr=1e-3)


@pytest.fixture(scope="session")
def llama_reward_short(tmp_path_factory):
    """It keeps two of the four layers."""
    return reward(runs.TINY, tmp_path_factory.mktemp("llama-reward-short"), lora={"rank": 4, "alpha": 12}, layers=2)


@pytest.fixture(scope="session")
def llama_reward_ensemble(tmp_path_factory):
    """What others load is the mean of its three heads."""
    return reward(runs.TINY, tmp_path_factory.mktemp("llama-reward-ensemble"), lora={"rank": 4, "alpha": 12}, ensemble=3)


@pytest.fixture(scope="session")
def gpt2_reward_lora(gpt2_pretrained, tmp_path_factory):
    """Its tokenizer's PAD is its EOS, at which the score is read."""
    lora = {"rank": 3, "alpha": 6, "targets": None}
    return reward(gpt2_pretrained.checkpoint, tmp_path_factory.mktemp("gpt2-reward-lora"), lora=lora)


@pytest.fixture(scope="session")
def gpt2_pretrained(tmp_path_factory):
    """A new GPT-2 whose tokenizer's PAD is its EOS."""
    folder = tmp_path_factory.mktemp("gpt2")
    sizes = {"hiddenSize": 48, "intermediateSize": 96, "layerCount": 2, "headCount": 3, "contextLength": 64}
    config = {
        "tokenizer": str(runs.copy_with_pad_as_eos(folder / "tokenizer")),
        "data": [str(runs.write_prose(folder))],
        "architecture": {"family": "gpt2", **sizes},
        "rowsPerBatch": 3,
        "batchesPerStep": 2,
        "epochs": 3,
        "lr": 3e-3,
        "warmupSteps": 3,
        "validationShare": 0.25,
        "saveEverySteps": 14,
        "evaluateEverySteps": 1000,
    }
    return runs.run_stage("pretrain", config, folder)


def sft(model: Path, demonstrations: Path, folder: Path, **more):
    """Twelve steps of two batches, in three epochs; kept are the checkpoints after the sixth and the last."""
    config = {
        "model": str(model),
        "data": [str(demonstrations)],
        "rowLength": 64,
        "rowsPerBatch": 2,
        "batchesPerStep": 2,
        "epochs": 3,
        "warmupSteps": 2,
        "validationShare": 0.15,
        "saveEverySteps": 6,
        "evaluateEverySteps": 1000,
    }
    return runs.run_stage("sft", {**config, **more}, folder)


@pytest.fixture(scope="session")
def llama_lora(demonstrations, tmp_path_factory):
    lora = {"rank": 4, "alpha": 12, "targets": ["q_proj", "v_proj", "down_proj"]}
    folder = tmp_path_factory.mktemp("llama-lora")
    # B starts at zero, so A's first gradients are hardly more than rounding, which a smaller epsilon would blow up to whole steps.
    return sft(runs.TINY, demonstrations, folder, lora=lora, lr=3e-3, epsilon=1e-5)


@pytest.fixture(scope="session")
def llama_full(demonstrations, tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama-full")
    return sft(runs.TINY, demonstrations, folder, lora=None, lr=5e-4, weightDecay=0.1)


@pytest.fixture(scope="session")
def gpt2_lora(gpt2_pretrained, demonstrations, tmp_path_factory):
    """Of every layer, from the model that `gpt2_pretrained` made."""
    folder = tmp_path_factory.mktemp("gpt2-lora")
    lora = {"rank": 3, "alpha": 6, "targets": None}
    return sft(gpt2_pretrained.checkpoint, demonstrations, folder, lora=lora, lr=3e-3, schedule="constant")
