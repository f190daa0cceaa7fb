"""Prompts with several responses each, laid end to end so that a prompt is computed once for all of its responses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attune_gpu.tokenizer import Tokenizer


@dataclass(frozen=True)
class Group:
    prompt: Sequence[int]
    responses: Sequence[Sequence[int]]  # at least one token each: what is read of a response is read at its last token

    @property
    def tokens(self) -> int:
        return len(self.prompt) + sum(map(len, self.responses))

    @property
    def predicted(self) -> int:
        """Tokens of responses that something predicts: the first one of a text without a prompt is not."""
        return sum(len(response) - (not self.prompt) for response in self.responses)


@dataclass(frozen=True)
class GroupBatch:
    """One row of T tokens, the last of which is filling: nothing looks at it, and nothing is read of it."""

    ids: Tensor  # (1, T)
    positions: Tensor  # (1, T)
    groups: Tensor  # (1, T)
    parts: Tensor  # (1, T) 0 for a prompt, else the number of the response in its group
    ends: Tensor  # (R) the last token of each response, group by group
    places: Tensor  # (N) of each token of each response, the row of the token before it, which predicts it
    labels: Tensor  # (N) the token itself
    real_tokens: int

    def to(self, device: torch.device) -> "GroupBatch":
        return GroupBatch(*(t.to(device) if isinstance(t, Tensor) else t for t in vars(self).values()))


def lay_out_groups(groups: Sequence[Group]) -> GroupBatch:
    ids, positions, numbers, parts, ends, places, labels = [], [], [], [], [], [], []

    def put(tokens: Sequence[int], first: int, number: int, part: int) -> None:
        ids.extend(tokens)
        positions.extend(range(first, first + len(tokens)))
        numbers.extend([number] * len(tokens))
        parts.extend([part] * len(tokens))

    for number, group in enumerate(groups):
        put(group.prompt, 0, number, 0)
        prompt_end = len(ids) - 1
        for part, response in enumerate(group.responses, start=1):
            at = len(ids)
            put(response, len(group.prompt), number, part)
            ends.append(len(ids) - 1)
            for i, token in enumerate(response):
                if i or group.prompt:
                    places.append(at + i - 1 if i else prompt_end)
                    labels.append(token)
    put([0], 0, -1, 0)
    row = [torch.tensor([each]) for each in (ids, positions, numbers, parts)]
    flat = [torch.tensor(each, dtype=torch.long) for each in (ends, places, labels)]
    return GroupBatch(*row, *flat, len(ids) - 1)


def cut_into_batches(groups: Iterable[Group], most_tokens: int) -> list[list[Group]]:
    """In order, each with as many groups as fit; a group by itself may be longer."""
    batches: list[list[Group]] = []
    room = 0
    for group in groups:
        if batches and group.tokens <= room:
            batches[-1].append(group)
        else:
            batches.append([group])
            room = most_tokens
        room -= group.tokens
    return batches


class UnfitTemplateError(Exception):
    """A chat template from which no response can be told."""


@dataclass(frozen=True)
class RenderedGroup(Group):
    cut_tokens: Sequence[int] = ()  # beside `responses`: how many tokens were cut off its end


def render_group(tokenizer: Tokenizer, prompt: list[dict], responses: list[str], longest: int) -> RenderedGroup:
    """Prompt and response together take at most `longest` tokens: at most half of them are kept free for the response."""
    whole, whole_text = tokenizer.render(prompt)
    rendered = [_response_tokens(tokenizer, prompt, whole, whole_text, content) for content in responses]
    reserve = min(max(map(len, rendered)), longest // 2)
    kept = whole if len(whole) + reserve <= longest else tokenizer.render_within(prompt, longest - reserve)[0]
    room = longest - len(kept)
    return RenderedGroup(kept, [tokens[:room] for tokens in rendered], [max(0, len(tokens) - room) for tokens in rendered])


def _response_tokens(tokenizer: Tokenizer, prompt: list[dict], whole: list[int], whole_text: str, content: str) -> list[int]:
    """What follows the prompt, up to and with the token that ends the turn."""
    tokens, text = tokenizer.render([*prompt, {"role": "assistant", "content": content}], finished=True)
    if tokens[: len(whole)] == whole:
        return [*_until_end(tokenizer, tokens[len(whole) :])]
    # White space that would share a token with the prompt's last line break: the response is what could have been written after it.
    rest = text[len(whole_text) :]
    if not text.startswith(whole_text) or not rest.startswith(content):
        raise UnfitTemplateError("The chat template renders a conversation so that it hides where a response begins.")
    after = tokenizer.library.encode(rest[len(content) :], add_special_tokens=False).ids
    return [*tokenizer.encode(content), *_until_end(tokenizer, after)]


def _until_end(tokenizer: Tokenizer, tokens: list[int]) -> list[int]:
    end = next((at for at, token in enumerate(tokens) if token in tokenizer.end_token_ids), None)
    if end is None:
        raise UnfitTemplateError("The chat template does not end a response by an end token.")
    return tokens[: end + 1]


