"""The contract between the two sides: settings, their defaults and faults, numbers as JavaScript writes them, identities of runs."""

import json
import subprocess

import pytest
from attune_gpu.cli import main
from attune_gpu.config import KNOWN_KEYWORDS, SETTINGS, STAGES, load_schema, read_config
from attune_gpu.errors import ConfigError
from attune_gpu.js_json import js_json
from command_line import NODE, ROOT

NUMBERS = [0.0002, 1e-8, 2.0, 1e21, 1e22, 123456.789, -0.5, 1e-7, 1e-6, 100.0, 1.5e300, 5e-324, 0.1 + 0.2, 2**53 + 2.0, 12345678901234567890.0, 0.0]
LEAST = {
    "pretrain": {"data": ["d"], "tokenizer": "t", "output": "o"},
    "sft": {"model": "m", "data": ["d"], "output": "o"},
    "reward": {"model": "m", "data": ["d"], "output": "o"},
    "ppo": {"model": "m", "rewardModels": ["r"], "data": ["d"], "output": "o", "parts": [{"type": "endpoint", "name": "e", "weight": 0.5, "url": "http://h/s"}]},
}


@pytest.mark.parametrize("stage", SETTINGS)
def test_the_schemas_of_the_package_are_those_that_attune_publishes(stage):
    assert load_schema(stage) == json.loads((ROOT / "docs" / "schemas" / f"{stage}.json").read_text()), f"cp docs/schemas/{stage}.json model/gpu/attune_gpu/schemas"


@pytest.mark.parametrize("stage", STAGES)
def test_both_sides_read_the_same_settings_out_of_the_least_that_may_be_given(stage):
    """Defaults, those inside of others, and the order of keys, which a run's identity hangs on."""
    script = (
        'import { parseConfig } from "@/model/train/run-config";'
        f'import {{ {stage}ConfigSchema }} from "@/model/train/{stage}-config";'
        f"console.log(JSON.stringify(parseConfig({stage}ConfigSchema, {json.dumps(LEAST[stage])})));"
    )
    theirs = subprocess.run([NODE, "--import", "tsx", "--input-type=module", "-e", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert js_json(read_config(stage, LEAST[stage])) == theirs.stdout.strip()


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        ({"lora": {"rnak": 3}}, ["lora.rnak is no setting. Did you mean lora.rank?"]),
        ({"rowsperBatch": 3, "lr": "x"}, ["Did you mean rowsPerBatch?", 'lr: expected number, found "x"']),
        ({"data": []}, ["data: is empty"]),
        ({"validationShare": 0.7}, ["validationShare: must be at most 0.5, found 0.7"]),
        ({"pretrainMix": {"share": 0.1}}, ["pretrainMix.data: is missing"]),
        ({"epochs": 1.5}, ["epochs: expected integer"]),
    ],
)
def test_a_wrong_setting_is_named_and_a_known_one_is_suggested(given, facts):
    with pytest.raises(ConfigError) as error:
        read_config("sft", {**LEAST["sft"], **given})
    assert all(fact in str(error.value) for fact in facts), error.value


def test_settings_on_the_command_line_go_over_the_file():
    settings = read_config("sft", LEAST["sft"], ["lora.rank=8", "name=Shouting", "pretrainMix=null"])
    assert (settings["lora"]["rank"], settings["lora"]["alpha"], settings["name"]) == (8, None, "Shouting")
    assert read_config("sft", LEAST["sft"], ["lora=null"])["lora"] is None


def test_a_schema_with_a_word_that_the_reader_does_not_know_is_refused(monkeypatch):
    monkeypatch.setattr("attune_gpu.config.KNOWN_KEYWORDS", KNOWN_KEYWORDS - {"minItems"})
    with pytest.raises(TypeError, match="minItems"):
        read_config("sft", LEAST["sft"])


def test_numbers_and_texts_are_written_as_javascript_writes_them():
    value = [*NUMBERS, 'é\n"\\\u2028', None, True, {"b": 1, "a": [0.5]}]
    # Floats go over as text, so that neither side's reader rounds them.
    script = f"console.log(JSON.stringify([...{[repr(each) for each in NUMBERS]}.map(Number), ...{json.dumps(value[len(NUMBERS) :])}]))"
    printed = subprocess.run([NODE, "-e", script], check=True, capture_output=True, text=True).stdout
    assert js_json(value) == printed.strip()
    nested = {"a": [], "b": {}, "c": [1, {"d": [2.0]}]}
    printed = subprocess.run([NODE, "-e", f"console.log(JSON.stringify({json.dumps(nested)}, null, 2))"], check=True, capture_output=True, text=True).stdout
    assert js_json(nested, 2) == printed.strip()


def test_the_command_says_what_is_wrong_and_ends_with_2(tmp_path, capsys):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**LEAST["sft"], "epcohs": 1}))
    assert main(["sft", "--config", str(file)]) == 2
    assert "epcohs is no setting. Did you mean epochs?" in capsys.readouterr().err
    assert main(["sft", "--config", str(tmp_path / "none.json")]) == 2


def test_the_command_prints_the_schema(capsys):
    assert main(["ppo", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out) == load_schema("ppo")
