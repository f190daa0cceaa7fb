"""`attune-gpu eval`: measures a checkpoint on task suites, by the settings and into the report of `npx attune eval`.

What is measured here are the exact weights, in single precision; the forms that are served (int8, int4) are measured where they are served.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import torch

from attune_gpu.checkpoint import Checkpoint, open_base
from attune_gpu.errors import ConfigError
from attune_gpu.eval_suites import FIGURES, Suite, behaviour_of, compare_results, expected_of, figure, find_suites, most_likely, read_report, score_choice, score_response, slices_of
from attune_gpu.generation import BatchedDecode
from attune_gpu.groups import Group, lay_out_groups
from attune_gpu.js_json import js_json
from attune_gpu.language_model import load_for_reading
from attune_gpu.machine import Machine
from attune_gpu.model import token_logprobs
from attune_gpu.reward_model import group_states
from attune_gpu.safetensors_file import write_durably


@dataclass(frozen=True)
class PolicyResponse:
    text: str
    tokens: list[int]  # its end included
    is_finished: bool  # by itself or by a stop string, rather than by the limit
    is_cut: bool  # the conversation did not fit the context


@dataclass(frozen=True)
class Answered:
    messages: list[dict]
    said: str
    score: dict
    response: PolicyResponse | None = None


class Policy:
    """A checkpoint that answers conversations, and tells how likely a text is."""

    def __init__(self, checkpoint: Checkpoint, machine: Machine):
        self.checkpoint, self.machine, self.tokenizer = checkpoint, machine, checkpoint.tokenizer
        self.model, self.adapter = load_for_reading(checkpoint, machine, None)
        self.decode = BatchedDecode(self.model, lambda: self.adapter, self.tokenizer.end_token_ids, machine)

    def respond(self, conversations: list[list[dict]], most_tokens: int, stop: list[str]) -> list[PolicyResponse]:
        """Greedily."""
        rendered = [self._render(messages, most_tokens) for messages in conversations]
        room = self.checkpoint.config.context_length - max(len(tokens) for tokens, _ in rendered)
        places = [(0, at) for at in range(len(rendered))]
        sampled = self.decode.sample([tokens for tokens, _ in rendered], places, seed=0, most_tokens=max(1, min(most_tokens, room)), temperature=0)
        return [self._until_stop(each.tokens, each.is_ended, stop, is_cut) for each, (_, is_cut) in zip(sampled, rendered, strict=True)]

    def _until_stop(self, tokens: list[int], is_ended: bool, stop: list[str], is_cut: bool) -> PolicyResponse:
        text = self.tokenizer.decode(tokens[:-1] if is_ended else tokens)
        found = [text.index(each) for each in stop if each in text]
        if not found:
            return PolicyResponse(text, tokens, is_ended, is_cut)
        count = next(n for n in range(1, len(tokens) + 1) if any(each in self.tokenizer.decode(tokens[:n]) for each in stop))
        return PolicyResponse(text[: min(found)], tokens[:count], True, is_cut)

    def answer_logprobs(self, messages: list[dict], continuations: list[str]) -> list[list[float]]:
        """(continuations, tokens), the conversation read once for all."""
        encoded = [self.tokenizer.encode(text) for text in continuations]
        return self._read(Group(self._render(messages, max(map(len, encoded)))[0], encoded))

    def text_logprobs(self, text: str) -> tuple[list[float], int]:
        """Of each token after the first of each piece of a context's length, and the bytes that they spell."""
        tokens, length, logprobs, unread = self.tokenizer.encode(text), self.checkpoint.config.context_length, [], 0
        for at in range(0, len(tokens), length):
            piece = tokens[at : at + length]
            logprobs += self._read(Group((), [piece]))[0]
            unread += len(self.tokenizer.decode(piece[:1], special=True).encode())
        return logprobs, max(1, len(text.encode()) - unread)

    def _render(self, messages: list[dict], reserve: int) -> tuple[list[int], bool]:
        context = self.checkpoint.config.context_length
        tokens, _, is_cut = self.tokenizer.render_within(messages, context - min(reserve, context // 2))
        return tokens, is_cut

    @torch.no_grad()
    def _read(self, group: Group) -> list[list[float]]:
        batch = lay_out_groups([group]).to(self.machine.device)
        states = group_states(self.model, batch, self.adapter, None)
        said = token_logprobs(states[batch.places], self.model.head, batch.labels).double().cpu()
        return [part.tolist() for part in said.split([len(each) - (not group.prompt) for each in group.responses])]


def run_eval(config: dict, machine: Machine, tell: Callable[[dict], None]) -> dict:
    if config["precision"] not in (None, "fp32") or machine.precision != "fp32":
        raise ConfigError("precision: the exact weights (fp32) are measured here. What is served in int8 or int4 is measured by npx attune eval.")
    # 1. All that can be wrong with what was given.
    others = [read_report(place) for place in config["against"]]
    suites = [suite.thinned(config["items"]) for suite in find_suites(config["suites"])]
    policy = Policy(open_base(config["model"]), machine)
    # 2. Every suite in every way.
    results, transcripts = [], []
    for suite in suites:
        for variant in (each for each in suite.variants() if each in config["variants"]):
            result, told = run_suite(policy, suite, variant, config["seed"])
            results.append(result)
            transcripts += told
            tell({"type": "suite", "suite": suite.name, "variant": variant, "items": len(suite.items), **{each["name"]: each["value"] for each in result["figures"]}})
    # 3. The report, beside what was said.
    made_at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    about = {"checkpoint": policy.checkpoint.id, "name": policy.checkpoint.manifest["name"], "precision": "fp32", "madeAt": made_at, "seed": config["seed"]}
    report = {"format": 1, **about, "suites": results, "parity": None}
    texts = _write_whole(Path(config["output"]) / "transcripts.jsonl", "".join(f"{js_json(each)}\n" for each in transcripts))
    return {
        "report": _write_whole(Path(config["output"]) / "eval-report.json", f"{js_json(report)}\n"),
        "transcripts": texts,
        "suites": [{key: value for key, value in result.items() if key != "items"} for result in results],
        "parity": None,
        "against": [{"checkpoint": each["checkpoint"], "name": each["name"], "deltas": compare_results(each["suites"], results, config["seed"])} for each in others],
    }


def run_suite(policy: Policy, suite: Suite, variant: str, seed: int) -> tuple[dict, list[dict]]:
    answered = answer_all(policy, suite, variant)
    scores, sampled = [each.score for each in answered], [each.response for each in answered if each.response]
    result = {
        "suite": suite.name,
        "title": suite.title,
        "sha256": suite.sha256,
        "metric": suite.metric,
        "variant": variant,
        "figures": [figure(name, scores, seed) for name in FIGURES[suite.metric]],
        "slices": slices_of(suite, scores, seed),
        "behaviour": behaviour_of(sampled),
        "cutItems": sum(each.is_cut for each in sampled),
        "items": [{"id": item["id"], "slice": item.get("slice"), **score} for item, score in zip(suite.items, scores, strict=True)],
    }
    transcripts = [
        {
            "suite": suite.name,
            "variant": variant,
            "id": item["id"],
            "slice": item.get("slice"),
            "messages": each.messages,
            "response": each.said,
            "expected": expected_of(item),
            "values": each.score["values"],
            "isFinished": each.response.is_finished if each.response else None,
        }
        for item, each in zip(suite.items, answered, strict=True)
    ]
    return result, transcripts


def answer_all(policy: Policy, suite: Suite, variant: str) -> list[Answered]:
    if suite.metric == "bitsPerByte":
        return [_read_text(policy, item["text"]) for item in suite.items]
    conversations = [suite.conversation(variant, item) for item in suite.items]
    if suite.metric == "choice":
        return [_choose(policy, item, messages) for item, messages in zip(suite.items, conversations, strict=True)]
    responses = policy.respond(conversations, suite.way(variant)["responseTokens"], suite.stop)
    return [
        Answered(messages, response.text, score_response(response.text, item, suite), response)
        for item, messages, response in zip(suite.items, conversations, responses, strict=True)
    ]


def _read_text(policy: Policy, text: str) -> Answered:
    logprobs, size = policy.text_logprobs(text)
    bits = -sum(logprobs) / math.log(2)
    return Answered([{"role": "assistant", "content": text}], "", {"values": {"bitsPerByte": bits / size}, "weight": size})


def _choose(policy: Policy, item: dict, messages: list[dict]) -> Answered:
    logprobs = policy.answer_logprobs(messages, item["choices"])
    return Answered(messages, item["choices"][most_likely([sum(each) for each in logprobs])], score_choice(item, logprobs))


def _write_whole(file: Path, text: str) -> str:
    part = file.with_name(f"{file.name}.part")
    write_durably(part, text.encode("utf-8", "surrogatepass"))
    part.rename(file)
    return str(file)
