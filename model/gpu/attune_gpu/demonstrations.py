"""Demonstrations from JSONL in the layouts people have them (docs/formats.md), and their tokens with the loss on what the assistant says."""

import math
from dataclasses import dataclass

from attune_gpu.packing import Example
from attune_gpu.read_lines import BadLine, Problem, Source, expect_text, parse_object, read_each_line
from attune_gpu.tokenizer import TemplateError, Tokenizer

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Demonstration:
    source: Source
    messages: list[dict]


def read_demonstrations(files: list[str]) -> tuple[list[Demonstration], list[Problem], str]:
    rows, problems, sha256 = read_each_line(files, read_demonstration_line)
    return [Demonstration(source, messages) for source, conversations in rows for messages in conversations], problems, sha256


def read_demonstration_line(text: str) -> list[list[dict]]:
    """One line as the conversations it holds."""
    row = parse_object(text)
    field = next((name for name in LAYOUTS if name in row), None)
    if field is None:
        raise BadLine(f"has none of the fields {', '.join(LAYOUTS)}")
    conversations = LAYOUTS[field](row)
    if any(not messages or messages[-1]["role"] != "assistant" for messages in conversations):
        raise BadLine("does not end with an assistant's message")
    return conversations


def read_messages(value: object, at: str = "messages") -> list[dict]:
    if not isinstance(value, list) or not value:
        raise BadLine(f"{at}: is no list of messages")
    messages = []
    for i, message in enumerate(value):
        if not isinstance(message, dict):
            raise BadLine(f"{at}.{i}: is no message")
        if message.get("role") not in ROLES:
            raise BadLine(f"{at}.{i}.role: unknown role {message.get('role')!r}; known: {', '.join(ROLES)}")
        messages.append({"role": message["role"], "content": expect_text(message.get("content"), f"{at}.{i}.content")})
    return messages


def _pair(row: dict) -> list[list[dict]]:
    system = [{"role": "system", "content": expect_text(row["system"], "system")}] if "system" in row else []
    prompt, response = expect_text(row.get("prompt"), "prompt"), expect_text(row["response"], "response")
    return [[*system, {"role": "user", "content": prompt}, {"role": "assistant", "content": response}]]


def _self_instruct(row: dict) -> list[list[dict]]:
    instruction = expect_text(row["instruction"], "instruction")
    instances = row.get("instances")
    if not isinstance(instances, list) or not instances:
        raise BadLine("instances: is no list of instances")
    conversations = []
    for i, instance in enumerate(instances):
        if not isinstance(instance, dict) or not isinstance(instance.get("input"), str):
            raise BadLine(f"instances.{i}.input: is no text")
        output = expect_text(instance.get("output"), f"instances.{i}.output")
        asked = f"{instruction}\n\n{instance['input']}" if instance["input"].strip() else instruction
        conversations.append([{"role": "user", "content": asked}, {"role": "assistant", "content": output}])
    return conversations


def _best_path(row: dict) -> list[list[dict]]:
    """Of an OASST tree: from the question down, always by the best ranked reply, as far as an assistant answers."""
    messages, node = [], row.get("prompt")
    while node is not None:
        if not isinstance(node, dict) or node.get("role") not in ("prompter", "assistant") or not isinstance(node.get("replies"), list):
            raise BadLine("prompt: is no message with replies")
        role = "user" if node["role"] == "prompter" else "assistant"
        messages.append({"role": role, "content": expect_text(node.get("text"), "prompt.text")})
        ranked = sorted(node["replies"], key=lambda reply: math.inf if reply.get("rank") is None else reply["rank"])
        node = ranked[0] if ranked else None
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    return [messages]


# Each layout by the field that tells it from the others.
LAYOUTS = {
    "messages": lambda row: [read_messages(row["messages"])],
    "response": _pair,
    "message_tree_id": _best_path,
    "instruction": _self_instruct,
}


def conversation_example(tokenizer: Tokenizer, messages: list[dict], context_length: int, row_length: int) -> Example:
    """Counted are the tokens of each response up to and with the token that ends it. Raises BadLine where there is none."""
    try:
        tokens, _ = tokenizer.render(messages, finished=True)
        if len(tokens) > context_length:
            raise BadLine(f"takes {len(tokens)} tokens, more than the model's context of {context_length}")
        if len(tokens) > row_length:
            raise BadLine(f"takes {len(tokens)} tokens, more than the rowLength of {row_length}")
        counted = [False] * len(tokens)
        for index, message in enumerate(messages):
            if message["role"] == "assistant":
                prompt, _ = tokenizer.render(messages[:index])
                _count_response(tokens, counted, prompt, tokenizer.end_token_ids)
    except TemplateError as error:
        raise BadLine(f"cannot be rendered: {error}") from error
    return Example(tokens, counted)


def _count_response(tokens: list[int], counted: list[bool], prompt: list[int], end_token_ids: list[int]) -> None:
    if tokens[: len(prompt)] != prompt:
        raise BadLine("is rendered by the chat template in a way that hides where a response begins")
    end = next((at for at in range(len(prompt), len(tokens)) if tokens[at] in end_token_ids), None)
    if end is None:
        raise BadLine("has a response that the chat template does not end by an end token")
    counted[len(prompt) : end + 1] = [True] * (end + 1 - len(prompt))
