"""Short runs of Attune's stages, made by the compiled command line for several tests."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from command_line import ROOT, attune

TINY = ROOT / "model" / "tiny" / "sft"
THREADS = 2

NOUNS = "dog cat horse cow bird fish fox bear wolf frog key lamp boat ball coat drum cake stone".split()


@dataclass
class Run:
    settings: dict  # of the stage, defaults included
    base: Path
    summary: dict

    @property
    def checkpoint(self) -> Path:
        """The last one, whatever was best."""
        return self.checkpoints[-1]

    @property
    def checkpoints(self) -> list[Path]:
        return sorted((Path(self.settings["output"]) / "checkpoints").iterdir())

    @property
    def adapter(self) -> Path:
        assert (self.checkpoint / "adapter_config.json").exists()
        return self.checkpoint

    @property
    def complete(self) -> Path:
        """All weights: the last checkpoint, or what merging makes of an adapter and its base."""
        if not self.settings.get("lora"):
            return self.checkpoint
        merged = Path(self.settings["output"]).parent / "merged"
        if not merged.exists():
            attune("models", "merge", self.checkpoint, merged)
        return merged


def run_stage(stage: str, config: dict, folder: Path) -> Run:
    """One run in `folder`, by the command line; the defaults come from the stage's published schema."""
    settings = {"output": str(folder / "run"), "threads": THREADS, **config}
    file = folder / "config.json"
    file.write_text(json.dumps(settings))
    summary = json.loads(attune(stage, "--config", file, "--json").splitlines()[-1])
    properties = json.loads(attune(stage, "--schema"))["properties"]
    defaults = {key: each["default"] for key, each in properties.items() if "default" in each}
    base = folder / "run" / "start" if stage == "pretrain" else Path(config["model"])
    return Run({**defaults, **settings, "stage": stage}, base, summary)


def write_demonstrations(folder: Path) -> Path:
    """Something the tiny model does not do yet: it answers in capital letters, once or twice."""
    rows = [
        {"prompt": f"{verb} {noun}", "response": " ".join([noun.upper()] * times) + end}
        for noun in NOUNS
        for verb, times, end in [("Say", 1, ""), ("Repeat", 2, ""), ("Please shout", 1, "!")]
    ]
    file = folder / "demonstrations.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_rankings(folder: Path) -> Path:
    """People like the word itself best, then the word with more around it; capital letters they do not, and two others are tied."""
    rows = [
        {
            "prompt": f"Say {noun}",
            "responses": [{"text": text} for text in [noun.upper(), f"{noun}!", f"the {noun} and the {NOUNS[at - 1]}", noun]],
            "rankings": [{"ranks": [3, 2, 2, 1]}],
        }
        for at, noun in enumerate(NOUNS)
    ]
    file = folder / "rankings.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_prose(folder: Path) -> Path:
    lines = [
        f"One {weather} day, {name} walked to the {place} with a {noun}. In the evening, they looked at the moon. {noun}s!\n"
        for name in ["Anna", "Ben", "Clara", "Zoë"]
        for place in ["river", "forest", "market"]
        for weather in ["sunny", "rainy"]
        for noun in NOUNS[:6]
    ]
    file = folder / "prose.txt"
    file.write_text("".join(lines[at * 7 % len(lines)] for at in range(len(lines))))
    return file


def copy_with_pad_as_eos(folder: Path) -> Path:
    """The shipped tiny model with a tokenizer whose PAD is its EOS, as GPT-2's users have it."""
    shutil.copytree(TINY, folder)
    file = folder / "tokenizer_config.json"
    tokenizer = json.loads(file.read_text())
    file.write_text(json.dumps({**tokenizer, "pad_token": tokenizer["eos_token"]}))
    manifest = json.loads((folder / "attune.json").read_text())
    content = file.read_bytes()
    manifest["files"][file.name] = {"sha256": hashlib.sha256(content).hexdigest(), "sizeBytes": len(content)}
    (folder / "attune.json").write_text(json.dumps(manifest))
    return folder
