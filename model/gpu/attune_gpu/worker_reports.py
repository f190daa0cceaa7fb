"""What a stage tells, as the protocol's events: steps done instead of step numbers, rows instead of files (bin/training/report-events.ts)."""

import json
import math
import os
import re
import resource
from pathlib import Path

import torch

from attune_gpu.read_lines import Source

LONGEST = {"log": 16_000, "sample": 32_000, "incident": 4_000}
MOST_EPISODE_TOKENS, MOST_EPISODES_BYTES = 1024, 2 * 2**20


def to_protocol_events(event: dict) -> list[dict]:
    """Empty: nothing that is reported."""
    kind, step = event["type"], event.get("step")
    if kind == "data":
        text = f"{event['training']} examples to train on, {event['validation']} held out, {event['leftOut']} left out."
        return [log("warn" if event["leftOut"] else "info", text)]
    if kind == "note":
        return [log(event["level"], event["text"])]
    if kind == "resumed":
        return [{**log("info", f"Going on after step {step}."), "step": step}]
    if kind == "step":
        names = ("loss", "lr", "gradientNorm", "tokensPerSecond", "epoch", "tokensSeen")
        values = {name: event[name] for name in names} | {"memoryBytes": memory_bytes()} | in_seconds(event["seconds"])
        return [metrics(step + 1, values)]
    if kind == "skipped":
        why = f"its loss {event['loss']:.4f} is far above those before" if event["reason"] == "spike" else "its loss or gradient is not finite"
        incident = {"type": "incident", "what": "nonFiniteStep", "text": f"Step {step + 1} was left out: {why}.", "step": step + 1}
        return [metrics(step + 1, {"loss": event["loss"]}), incident]
    if kind == "evaluated":
        return [metrics(step, {name: value for name, value in event.items() if name not in ("type", "step")})]
    if kind == "iteration":
        named = {re.sub(r"^part\.(.*)$", lambda found: f"part.{part_name(found[1])}", name, flags=re.S): v for name, v in event["metrics"].items()}
        return [metrics(step + 1, named | in_seconds(event["seconds"]))]
    if kind == "episodes":
        episodes = _fitting([_to_episode(each) for each in event["episodes"]])
        return [{"type": "episodes", "step": step + 1, "episodes": episodes}] if episodes else []
    if kind == "bestOfN":
        return [metrics(0, {f"bestOf{point['n']}": point["score"] for point in event["points"]})]
    if kind == "sample":
        text = {"prompt": event["prompt"][: LONGEST["sample"]], "response": event["response"][: LONGEST["sample"]]}
        return [{"type": "sample", "step": step, **text, "source": to_row(event["source"])}]
    if kind == "phase":
        return [{"type": "phase", "step": step, "name": event["name"], "seconds": event["seconds"]}]
    return []


def log(level: str, text: str) -> dict:
    return {"type": "log", "level": level, "text": text[: LONGEST["log"]]}


def metrics(step: int, values: dict) -> dict:
    """JSON has no NaN."""
    finite = {name: value if isinstance(value, (int, float)) and math.isfinite(value) else None for name, value in values.items()}
    return {"type": "metrics", "step": step, "values": finite}


def in_seconds(phases: dict[str, float]) -> dict[str, float]:
    """generation -> generationSeconds"""
    return {f"{name}Seconds": seconds for name, seconds in phases.items()}


def part_name(name: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", name)[:60]


def to_row(source: Source | None) -> dict | None:
    """A dataset's file is named by its id, and has a row on each line."""
    return source and {"datasetId": Path(source.file).stem, "position": source.line - 1}


def memory_bytes() -> int:
    """The most that was in use: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if os.uname().sysname == "Linux" else 1)


def _to_episode(shown: dict) -> dict:
    kept = slice(0, MOST_EPISODE_TOKENS)
    episode = {
        "prompt": shown["prompt"][:8_000],
        "response": shown["response"][:16_000],
        "score": _round(shown["score"]),
        "parts": {part_name(name): _round(score) for name, score in shown["parts"].items()},
        "reward": _round(shown["reward"]),
        "kl": _round(shown["kl"]),
        "isEnded": shown["isEnded"],
        "tokens": [token[:200] for token in shown["tokens"][kept]],
        **{name: [_round(value) for value in shown[name][kept]] for name in ("tokenLogprobs", "tokenKl", "tokenValues")},
    }
    return {"source": to_row(shown["source"]), "episode": episode}


def _round(value: float) -> float:
    """People read three digits; the rest would be most of the message."""
    return float(f"{value:.4g}") if math.isfinite(value) else 0.0


def _fitting(episodes: list[dict]) -> list[dict]:
    """One message holds them all: of very long responses fewer are told."""
    size, kept = 0, []
    for episode in episodes:
        size += len(json.dumps(episode, ensure_ascii=False).encode("utf-8", "replace"))
        if kept and size > MOST_EPISODES_BYTES:
            break
        kept.append(episode)
    return kept
