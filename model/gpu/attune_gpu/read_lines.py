"""The lines of data files with their numbers; a bad line is named by file and line, and costs no other."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attune_gpu.errors import UnfitDataError


class BadLine(Exception):
    """Why a line is left out."""


@dataclass(frozen=True)
class Source:
    file: str
    line: int


@dataclass(frozen=True)
class Problem:
    file: str
    line: int
    reason: str


def read_bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        fact = {2: "there is no such file", 21: "it is a folder"}.get(error.errno, error.strerror)
        raise UnfitDataError(f"Data file {file}: {fact}.") from error


def split_lines(content: bytes) -> list[tuple[int, str | None]]:
    """Each with its number and its line end; None where it is no UTF-8. A byte order mark is taken off."""
    lines = []
    for number, line in enumerate(_by_newline(content), start=1):
        try:
            lines.append((number, line.decode("utf-8-sig")))
        except UnicodeDecodeError:
            lines.append((number, None))
    return lines


def _by_newline(content: bytes) -> list[bytes]:
    """A carriage return alone ends no line."""
    parts = content.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def read_each_line(files: list[str], read: Callable[[str], object]) -> tuple[list[tuple[Source, object]], list[Problem], str]:
    """What each line that is not empty holds, those that hold nothing usable, and the sha256 of all bytes. `read` raises BadLine."""
    rows: list[tuple[Source, object]] = []
    problems: list[Problem] = []
    digest = hashlib.sha256()
    for file in files:
        content = read_bytes(file)
        digest.update(content)
        for number, text in split_lines(content):
            if text is not None and not text.strip():
                continue
            try:
                if text is None:
                    raise BadLine("is not UTF-8")
                rows.append((Source(file, number), read(text)))
            except BadLine as bad:
                problems.append(Problem(file, number, str(bad)))
    return rows, problems, digest.hexdigest()


def parse_object(text: str) -> dict:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadLine("is not JSON") from error
    if not isinstance(value, dict):
        raise BadLine("is no JSON object")
    return value


def expect_text(value: object, at: str) -> str:
    if not isinstance(value, str):
        raise BadLine(f"{at}: is no text")
    if not value.strip():
        raise BadLine(f"{at}: is empty")
    return value


def list_problems(problems: list[Problem]) -> str:
    shown = [f"{each.file}:{each.line} {each.reason}" for each in problems[:20]]
    return "\n".join([*shown, *([f"… and {len(problems) - 20} more"] if len(problems) > 20 else [])])


def refuse_if(condition: bool, problems: list[Problem]) -> None:
    if condition and problems:
        raise UnfitDataError(f"{len(problems)} unfit {'line' if len(problems) == 1 else 'lines'}; nothing was trained.\n{list_problems(problems)}")


def joined_sha256(parts: list[str]) -> str:
    """Of several sets of files; of one it is that set's own."""
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()
