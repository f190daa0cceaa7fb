"""Documents of plain text for pretraining, from text files and JSONL, and their tokens in pieces."""

import hashlib

from attune_gpu.packing import Example
from attune_gpu.read_lines import BadLine, Problem, Source, expect_text, parse_object, read_bytes, split_lines
from attune_gpu.tokenizer import Tokenizer

CHARACTERS_PER_DOCUMENT = 4096  # as UTF-16 counts them


def read_documents(files: list[str]) -> tuple[list[tuple[Source | None, str]], list[Problem], str]:
    documents: list[tuple[Source | None, str]] = []
    problems: list[Problem] = []
    digest = hashlib.sha256()
    for file in files:
        content = read_bytes(file)
        digest.update(content)
        lines = split_lines(content)
        problems += [Problem(file, number, "is not UTF-8") for number, text in lines if text is None]
        readable = [(number, text) for number, text in lines if text is not None]
        if not file.endswith(".jsonl"):
            documents += [(None, text) for text in cut_at_line_ends("".join(text for _, text in readable))]
            continue
        for number, text in readable:
            if not text.strip():
                continue
            try:
                documents.append((Source(file, number), read_document_line(text)))
            except BadLine as bad:
                problems.append(Problem(file, number, str(bad)))
    return documents, problems, digest.hexdigest()


def read_document_line(text: str) -> str:
    row = parse_object(text)
    if "messages" not in row:
        return expect_text(row.get("text"), "text")
    messages = row["messages"]
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise BadLine("messages: is no list of messages")
    # A conversation as plain text: each role on a line of its own, then what it says.
    parts = [(expect_text(m.get("role"), f"messages.{i}.role"), expect_text(m.get("content"), f"messages.{i}.content")) for i, m in enumerate(messages)]
    return "\n".join(f"{role}\n{content}" for role, content in parts)


def cut_at_line_ends(text: str) -> list[str]:
    """A document ends with the first line end after its first 4,096 characters."""
    documents, lines, size = [], [], 0
    for line in text.split("\n"):
        lines.append(line)
        size += len(line.encode("utf-16-le")) // 2 + 1
        if size > CHARACTERS_PER_DOCUMENT:
            documents.append("\n".join(lines) + "\n")
            lines, size = [], 0
    return [document for document in [*documents, "\n".join(lines)] if document.strip()]


def text_examples(tokenizer: Tokenizer, texts: list[str], length: int) -> list[Example]:
    """Each document, ended by the end-of-text token, in pieces of at most `length` tokens."""
    end = tokenizer.token_id("<|endoftext|>")
    if end is None:
        end = next(iter(tokenizer.end_token_ids), None)
    examples = []
    for text in texts:
        tokens = tokenizer.encode(text) + ([] if end is None else [end])
        pieces = [tokens[at : at + length] for at in range(0, len(tokens), length)]
        examples += [Example(piece, [True] * len(piece)) for piece in pieces if len(piece) > 1]
    return examples
