"""Responses by the model that is being trained: our own batched decode over a cache of fixed shape, and the interface that others share.

A draw depends on (seed, step, sample, position) alone (docs/formats.md), so a response does not depend on what is sampled beside it.
Where there is CUDA, one step of the decode is captured as a graph and replayed; nowhere else is anything different.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from attune_gpu.machine import Machine
from attune_gpu.model import Adapter, KeyValueCache, Transformer
from attune_gpu.random_numbers import SAMPLING, uniform

PROMPT_BUCKET = 32  # cache lengths are whole multiples, so that few shapes occur
MOST_ROWS = 256
PREFILL_TOKENS = 16_384  # of prompts read at once: of all rows a layer's own results would take more memory than the cache


@dataclass(frozen=True)
class SampledResponse:
    tokens: list[int]  # with its end token, if it ended
    sampler_logprobs: list[float]  # (L) as the sampler saw them
    is_ended: bool  # by itself, rather than by the limit


class Generator(Protocol):
    """`places`: (step, sample) of each prompt, which of the run's texts it is. Temperature 1 samples the policy itself, 0 is greedy."""

    def sample(
        self, prompts: list[list[int]], places: list[tuple[int, int]], *, seed: int, most_tokens: int, temperature: float = 1.0
    ) -> list[SampledResponse]: ...


class BatchedDecode:
    """`adapter` is asked at each call, so that it is the policy as it is now."""

    def __init__(self, model: Transformer, adapter: Callable[[], Adapter | None], end_token_ids: list[int], machine: Machine, most_rows: int = MOST_ROWS):
        self.model, self.adapter, self.machine, self.most_rows = model, adapter, machine, most_rows
        self.end_ids = torch.tensor(end_token_ids, dtype=torch.long, device=machine.device)

    @torch.no_grad()
    def sample(self, prompts, places, *, seed, most_tokens, temperature=1.0) -> list[SampledResponse]:
        responses: list[SampledResponse] = []
        for at in range(0, len(prompts), self.most_rows):
            own = slice(at, at + self.most_rows)
            responses += self._sample_rows(prompts[own], places[own], seed, most_tokens, temperature)
        return responses

    def _sample_rows(self, prompts, places, seed: int, most_tokens: int, temperature: float) -> list[SampledResponse]:
        """Prompts end at the same column, so that all rows write their next token to one place of the cache."""
        device, rows = self.machine.device, len(prompts)
        width = -(-max(map(len, prompts)) // PROMPT_BUCKET) * PROMPT_BUCKET
        length = width + most_tokens
        ids = torch.zeros(rows, width, dtype=torch.long)
        for b, prompt in enumerate(prompts):
            ids[b, width - len(prompt) :] = torch.tensor(prompt)
        starts = torch.tensor([width - len(prompt) for prompt in prompts], device=device)  # (B) first column that counts
        steps = np.arange(most_tokens)[None]
        draws = uniform(seed, [
            SAMPLING, np.array([[step] for step, _ in places]), np.array([[sample] for _, sample in places]),
            np.array([[len(prompt)] for prompt in prompts]) + steps,
        ])  # (B, most_tokens)  # fmt: skip
        state = DecodeState(self, rows, width, length, starts, torch.from_numpy(draws).to(device), temperature)
        state.prefill(ids.to(device))
        for _ in range(most_tokens - 1):
            if bool(state.ended.all()):
                break
            state.advance()
        return state.responses()


class DecodeState:
    """Everything that one step reads and writes, at fixed addresses: what a CUDA graph needs."""

    def __init__(self, decode: BatchedDecode, rows: int, width: int, length: int, starts: Tensor, draws: Tensor, temperature: float):
        self.decode, self.width, self.starts, self.draws, self.temperature = decode, width, starts, draws, temperature
        machine, device = decode.machine, decode.machine.device
        self.cache = KeyValueCache(decode.model.config, rows, length, device, machine.frozen_dtype)
        self.columns = torch.arange(length, device=device)
        self.last = torch.zeros(rows, 1, dtype=torch.long, device=device)
        self.tokens = torch.full((rows, draws.shape[1]), -1, device=device)
        self.logprobs = torch.zeros(rows, draws.shape[1], dtype=torch.float32, device=device)
        self.ended = torch.zeros(rows, dtype=torch.bool, device=device)
        self.done = torch.zeros(1, dtype=torch.long, device=device)  # tokens drawn so far
        self.adapter = decode.adapter()
        self.graph: torch.cuda.CUDAGraph | None = None

    def prefill(self, ids: Tensor) -> None:
        columns = self.columns[: self.width]
        # A column of filling sees itself alone: an empty row of the mask would give no number.
        visible = (columns[:, None] >= self.columns[None]) & (self.columns[None] >= self.starts[:, None, None])
        visible = visible | (columns[:, None] == self.columns[None])
        positions, last = (columns - self.starts[:, None]).clamp(min=0), []
        rows = max(1, PREFILL_TOKENS // self.width)
        for at in range(0, len(ids), rows):
            own = slice(at, at + rows)
            cache = self.cache.of_rows(own, columns)
            last.append(self._forward(ids[own], positions[own], visible[own, None], cache)[:, -1])
        self.cache.at = torch.full((1,), self.width, device=ids.device)
        self._draw(torch.cat(last))

    def advance(self) -> None:
        if self.decode.machine.device.type != "cuda":
            return self._step()
        if self.graph is None:
            self._step()  # warms up, and is a step like any other
            self.graph = torch.cuda.CUDAGraph()
            # Capturing computes nothing: the step is taken by the replay that follows.
            with torch.cuda.graph(self.graph):
                self._step()
            return
        self.graph.replay()

    def _step(self) -> None:
        at = self.cache.at
        visible = (self.columns[None] <= at) & (self.columns[None] >= self.starts[:, None])
        hidden = self._forward(self.last, (at - self.starts)[:, None], visible[:, None, None], self.cache)
        self.cache.at.add_(1)
        self._draw(hidden[:, -1])

    def _forward(self, ids: Tensor, positions: Tensor, mask: Tensor, cache: KeyValueCache) -> Tensor:
        with self.decode.machine.autocast():
            return self.decode.model(ids, positions, mask, self.adapter, cache=cache)

    def _draw(self, hidden: Tensor) -> None:
        """One token a row: the inverse of the cumulative distribution, in order of token id."""
        head = self.decode.model.head
        with self.decode.machine.autocast():
            logits = F.linear(hidden, head.to(hidden.dtype)).float()  # (B, V)
        if self.temperature == 0:
            token = logits.argmax(-1)
        else:
            weights = torch.softmax(logits.double() / self.temperature, dim=-1).cumsum(-1)
            draw = self.draws.index_select(1, self.done) * weights[:, -1:]
            token = torch.searchsorted(weights, draw, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)
        logprob = torch.log_softmax(logits, dim=-1).gather(1, token[:, None])[:, 0]
        kept = torch.where(self.ended, -1, token)
        self.tokens.index_copy_(1, self.done, kept[:, None])
        self.logprobs.index_copy_(1, self.done, logprob[:, None])
        self.ended.logical_or_((token[:, None] == self.decode.end_ids).any(-1))
        self.last.copy_(token[:, None])
        self.done.add_(1)

    def responses(self) -> list[SampledResponse]:
        tokens, logprobs, ended = self.tokens.tolist(), self.logprobs.tolist(), self.ended.tolist()
        made = []
        for row, own, is_ended in zip(tokens, logprobs, ended, strict=True):
            kept = [token for token in row if token >= 0]
            made.append(SampledResponse(kept, own[: len(kept)], is_ended))
        return made
