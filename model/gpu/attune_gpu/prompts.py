"""Prompts to be answered, from JSONL: text or a conversation, with what its answer can be checked against (docs/ppo.md)."""

from dataclasses import dataclass

from attune_gpu.config import load_schema, read_value
from attune_gpu.demonstrations import read_messages
from attune_gpu.read_lines import BadLine, Problem, Source, expect_text, parse_object, read_each_line


@dataclass(frozen=True)
class Prompt:
    messages: list[dict]
    user: str | None
    rules: list[dict] | None
    source: Source
    tokens: tuple[int, ...] = ()  # as chat renders them


def read_prompts(files: list[str]) -> tuple[list[Prompt], list[Problem], str]:
    rows, problems, sha256 = read_each_line(files, read_prompt_line)
    return [Prompt(messages, user, rules, source) for source, (messages, user, rules) in rows], problems, sha256


def read_prompt_line(text: str) -> tuple[list[dict], str | None, list[dict] | None]:
    row = parse_object(text)
    user, rules = row.get("user"), row.get("rules")
    if "user" in row and not isinstance(user, str):
        raise BadLine("user: is no text")
    if rules is not None:
        rules = _read_rules(rules)
    if isinstance(row.get("prompt"), list):
        messages = read_messages(row["prompt"], "prompt")
        if messages[-1]["role"] != "user":
            raise BadLine("prompt: does not end with a user's message")
    elif "prompt" in row:
        messages = [{"role": "user", "content": expect_text(row["prompt"], "prompt")}]
    elif "messages" in row:
        messages = read_messages(row["messages"])
        while messages and messages[-1]["role"] != "user":
            messages.pop()
    elif "instruction" in row:
        messages = [{"role": "user", "content": expect_text(row["instruction"], "instruction")}]
    else:
        raise BadLine("has none of the fields prompt, messages, instruction")
    if not messages:
        raise BadLine("has no user's message to answer")
    return messages, user, rules


def _read_rules(rules: object) -> list[dict]:
    """By the schema of a part's own rules."""
    parts = load_schema("ppo")["properties"]["parts"]["items"]["oneOf"]
    of_rules = next(part for part in parts if part["properties"]["type"]["const"] == "rules")["properties"]["rules"]["anyOf"][0]
    value, faults = read_value(of_rules, rules, "rules")
    if faults:
        raise BadLine(faults[0])
    return value
