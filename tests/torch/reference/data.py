"""Text to examples, examples to rows, rows to the batches of each step: docs/formats.md, read in Python."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from reference.random_numbers import held_out, permutation

CHARACTERS_PER_DOCUMENT = 4096
OPEN_ROWS = 8


@dataclass
class Example:
    tokens: list[int]
    counted: list[bool]  # whether the loss counts this token


@dataclass
class Batch:
    """B rows of T tokens. Padding is told by its segment, -1, never by its token."""

    ids: torch.Tensor  # (B, T)
    positions: torch.Tensor  # (B, T) place within the example
    segments: torch.Tensor  # (B, T) number of the example in its row
    labels: torch.Tensor  # (B, T) the token to predict here, -1 where the loss counts nothing

    @property
    def counted(self) -> int:
        return int((self.labels >= 0).sum())

    @property
    def mask(self) -> torch.Tensor:
        """(B, 1, T, T), true where a token (row) may look at another (column): earlier ones of its example."""
        length = self.ids.shape[1]
        same = self.segments[:, :, None] == self.segments[:, None, :]
        return (same & torch.ones(length, length, dtype=torch.bool).tril())[:, None]


def read_documents(files) -> list[str]:
    documents = []
    for file in map(Path, files):
        text = file.read_bytes().decode()
        if file.suffix == ".jsonl":
            documents += [json.loads(line)["text"] for line in text.split("\n") if line.strip()]
        else:
            documents += cut_at_line_ends(text)
    return documents


def cut_at_line_ends(text: str) -> list[str]:
    """A document ends with the first line end after its first 4096 characters, counted as UTF-16 does."""
    documents, lines, size = [], [], 0
    for line in text.split("\n"):
        lines.append(line)
        size += len(line.encode("utf-16-le")) // 2 + 1
        if size > CHARACTERS_PER_DOCUMENT:
            documents.append("\n".join(lines) + "\n")
            lines, size = [], 0
    return [document for document in [*documents, "\n".join(lines)] if document.strip()]


def document_examples(tokenizer, documents, length: int) -> list[Example]:
    """Each document, ended by the end-of-text token, in pieces of `length` tokens."""
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    examples = []
    for document in documents:
        tokens = [*tokenizer.encode(document, add_special_tokens=False), end]
        pieces = [tokens[at : at + length] for at in range(0, len(tokens), length)]
        examples += [Example(piece, [True] * len(piece)) for piece in pieces if len(piece) > 1]
    return examples


def conversation_example(tokenizer, messages, limit: int) -> Example | None:
    """Counted is what each response says, up to and with the token that ends it. None where it is too long."""

    def render(upto: int, opens_turn: bool) -> list[int]:
        text = tokenizer.apply_chat_template(messages[:upto], tokenize=False, add_generation_prompt=opens_turn)
        return tokenizer.encode(text, add_special_tokens=False)

    tokens = render(len(messages), False)
    if len(tokens) > limit:
        return None
    counted = [False] * len(tokens)
    for index, message in enumerate(messages):
        if message["role"] == "assistant":
            start = len(render(index, True))
            end = tokens.index(tokenizer.eos_token_id, start)
            counted[start : end + 1] = [True] * (end + 1 - start)
    return Example(tokens, counted)


def read_demonstrations(files) -> list[list[dict]]:
    """Of the forms in docs/formats.md the one that the tests write: prompt and response."""
    rows = [json.loads(line) for file in files for line in Path(file).read_text().split("\n") if line.strip()]
    return [[{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["response"]}] for row in rows]


def load_examples(settings: dict, tokenizer, length: int) -> tuple[list[Example], list[Example]]:
    """What a run trains on, and what it holds out. Pretraining holds out documents, SFT examples."""
    if settings["stage"] == "pretrain":
        items = read_documents(settings["data"])
    else:
        examples = [conversation_example(tokenizer, each, length) for each in read_demonstrations(settings["data"])]
        items = [example for example in examples if example is not None]
    out = held_out(settings["seed"], len(items), settings["validationShare"])
    parts = [[item for at, item in enumerate(items) if (at in out) is wanted] for wanted in (False, True)]
    if settings["stage"] == "pretrain":
        parts = [document_examples(tokenizer, part, length) for part in parts]
    return parts[0], parts[1]


def pack_rows(examples, length: int) -> list[list[Example]]:
    """First fit over the last eight open rows; the oldest is closed when none has room."""
    closed, open_rows = [], []
    for example in examples:
        size = len(example.tokens)
        place = next((row for row in open_rows if length - sum(len(each.tokens) for each in row) >= size), None)
        if place is None:
            if len(open_rows) == OPEN_ROWS:
                closed.append(open_rows.pop(0))
            place = []
            open_rows.append(place)
        place.append(example)
    return closed + open_rows


def lay_out(rows, length: int) -> Batch:
    ids, positions = torch.zeros(len(rows), length, dtype=torch.long), torch.zeros(len(rows), length, dtype=torch.long)
    segments, labels = torch.full_like(ids, -1), torch.full_like(ids, -1)
    for b, row in enumerate(rows):
        start = 0
        for number, example in enumerate(row):
            end = start + len(example.tokens)
            tokens = torch.tensor(example.tokens)
            ids[b, start:end], positions[b, start:end] = tokens, torch.arange(len(tokens))
            segments[b, start:end] = number
            # The first token of an example is predicted from nothing.
            labels[b, start : end - 1] = torch.where(torch.tensor(example.counted)[1:], tokens[1:], -1)
            start = end
    return Batch(ids, positions, segments, labels)


def cut_batches(rows, settings: dict, length: int) -> list[Batch]:
    size = settings["rowsPerBatch"]
    batches = [lay_out(rows[at : at + size], length) for at in range(0, len(rows), size)]
    return [batch for batch in batches if batch.counted > 0]


def order_steps(examples, settings: dict, length: int) -> list[list[Batch]]:
    """The batches of every step of the run; the last step of an epoch may be smaller."""
    steps = []
    for epoch in range(settings["epochs"]):
        rows = pack_rows([examples[at] for at in permutation(settings["seed"], epoch, len(examples))], length)
        size = settings["rowsPerBatch"] * settings["batchesPerStep"]
        steps += [cut_batches(rows[at : at + size], settings, length) for at in range(0, len(rows), size)]
    return steps
