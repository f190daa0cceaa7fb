"""Examples side by side in rows, rows in batches, batches in the steps of a run: known before it starts (docs/formats.md)."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from attune_gpu.random_numbers import permutation

OPEN_ROWS = 8
MIX_EPOCH = 2**31  # of the mixed-in text's first permutation: no run has so many epochs


@dataclass(frozen=True)
class Example:
    tokens: list[int]
    counted: list[bool]  # whether the loss counts this token


@dataclass(frozen=True)
class Batch:
    """B rows of T tokens. A token sees those before it of its own example; padding is told by its group, never by its token."""

    ids: torch.Tensor  # (B, T)
    positions: torch.Tensor  # (B, T) place within the example
    groups: torch.Tensor  # (B, T) number of the example in its row, -1 for padding
    parts: torch.Tensor  # (B, T) 0: nothing in an example is hidden from another part of it
    labels: torch.Tensor  # (B, T) the token to predict here, -1 where the loss counts nothing
    counted: int
    real_tokens: int

    def only(self, rows: list[int]) -> "Batch":
        """Some of its rows; what it counts is still told of all of them."""
        tensors = (tensor[rows] for tensor in (self.ids, self.positions, self.groups, self.parts, self.labels))
        return Batch(*tensors, self.counted, self.real_tokens)


def pack_rows(examples: Iterable[Example], length: int) -> list[list[Example]]:
    """First fit over the last eight open rows; the oldest is closed when none has room."""
    closed: list[list[Example]] = []
    rooms: list[int] = []
    open_rows: list[list[Example]] = []
    for example in examples:
        size = len(example.tokens)
        place = next((at for at, room in enumerate(rooms) if room >= size), None)
        if place is None:
            if len(open_rows) == OPEN_ROWS:
                closed.append(open_rows.pop(0))
                rooms.pop(0)
            open_rows.append([])
            rooms.append(length)
            place = len(rooms) - 1
        open_rows[place].append(example)
        rooms[place] -= size
    return closed + open_rows


def tokens_in(row: list[Example]) -> int:
    return sum(len(example.tokens) for example in row)


def length_buckets(length: int) -> list[int]:
    """Lengths a batch may have: quarters of a row, in whole sixteens."""
    quarter = -(-length // 64) * 16
    return [*[each * quarter for each in (1, 2, 3) if each * quarter < length], length]


def lay_out(rows: list[list[Example]], length: int, row_count: int) -> Batch:
    """Rows beyond the given ones are all padding."""
    ids, positions = torch.zeros(row_count, length, dtype=torch.long), torch.zeros(row_count, length, dtype=torch.long)
    groups, labels = torch.full_like(ids, -1), torch.full_like(ids, -1)
    for b, row in enumerate(rows):
        start = 0
        for number, example in enumerate(row):
            end = start + len(example.tokens)
            tokens = torch.tensor(example.tokens)
            ids[b, start:end], positions[b, start:end] = tokens, torch.arange(len(tokens))
            groups[b, start:end] = number
            # The first token of an example is predicted from nothing.
            labels[b, start : end - 1] = torch.where(torch.tensor(example.counted)[1:], tokens[1:], -1)
            start = end
    counted, real = int((labels >= 0).sum()), sum(map(tokens_in, rows))
    return Batch(ids, positions, groups, torch.zeros_like(ids), labels, counted, real)


def cut_batches(rows: list[list[Example]], length: int, rows_per_batch: int) -> list[Batch]:
    """Each as long as the smallest bucket that holds its rows; none without a counted token."""
    buckets, batches = length_buckets(length), []
    for at in range(0, len(rows), rows_per_batch):
        group = rows[at : at + rows_per_batch]
        longest = max(map(tokens_in, group))
        batches.append(lay_out(group, next(bucket for bucket in buckets if bucket >= longest), rows_per_batch))
    return [batch for batch in batches if batch.counted > 0]


def evaluation_batches(examples: list[Example], length: int, rows_per_batch: int) -> list[Batch]:
    """Their order is free, so rows of like length lie together."""
    rows = sorted(pack_rows(examples, length), key=tokens_in, reverse=True)
    return cut_batches(rows, length, rows_per_batch)


class DataOrder:
    """Which rows each step of a run sees. `mix`: further examples, of which each epoch draws so many that they are a share of its tokens."""

    def __init__(self, examples: list[Example], settings: dict, length: int, mix: tuple[list[Example], float] | None = None):
        self.length, self.rows_per_batch = length, settings["rowsPerBatch"]
        seed, mixed = settings["seed"], draw_mix(examples, settings, mix)
        self.steps: list[tuple[int, list[list[Example]]]] = []
        per_step = settings["rowsPerBatch"] * settings["batchesPerStep"]
        for epoch in range(settings["epochs"]):
            of_epoch = examples + mixed[epoch]
            rows = pack_rows((of_epoch[at] for at in permutation(seed, epoch, len(of_epoch))), length)
            self.steps += [(epoch, rows[at : at + per_step]) for at in range(0, len(rows), per_step)]

    @property
    def total_steps(self) -> int:
        return len(self.steps)

    def epoch_of(self, step: int) -> int:
        return self.steps[step][0]

    def batches(self, step: int) -> list[Batch]:
        return cut_batches(self.steps[step][1], self.length, self.rows_per_batch)


def draw_mix(examples: list[Example], settings: dict, mix: tuple[list[Example], float] | None) -> list[list[Example]]:
    """For each epoch the next examples of one long order, which repeats nothing before all were seen."""
    if mix is None or not mix[0]:
        return [[] for _ in range(settings["epochs"])]
    texts, share = mix
    wanted = tokens_in(examples) * share / (1 - share)
    queue, passes, drawn = [], 0, []
    for _ in range(settings["epochs"]):
        own, tokens = [], 0
        while tokens < wanted:
            if not queue:
                queue = [texts[at] for at in permutation(settings["seed"], MIX_EPOCH + passes, len(texts))]
                passes += 1
            own.append(queue.pop(0))
            tokens += len(own[-1].tokens)
        drawn.append(own)
    return drawn
