"""A checkpoint's tokenizer and chat template: conversations become the very tokens that chat gives (model/tokenizer in TypeScript).

Special tokens that people spell out in their messages are text, not tokens: nobody can end a turn from inside it.
"""

import json
import re
from pathlib import Path

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer as Library

from attune_gpu.errors import UnfitBaseError

# Unicode's noncharacters: reserved for inside a program, and taken out before tokenising.
MARKS = [chr(0xFDD0 + i) for i in range(32)]
CHAT_ML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
PLAIN_DIALOGUE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% else %}{{ 'Assistant: ' + message['content'] }}{{ eos_token }}{{ '\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
CHARACTERS_PER_TOKEN = 16  # more count as too long without being tokenised


class PromptTooLongError(Exception):
    """The system prompt alone takes more than there is room for."""


class TemplateError(Exception):
    """The chat template refuses a conversation."""


class Tokenizer:
    def __init__(self, folder: Path, end_token_ids: list[int]):
        folder = Path(folder)
        definition = _read_json(folder / "tokenizer.json")
        if definition is None:
            raise UnfitBaseError(f"{folder} has no tokenizer.json. Save it with transformers: tokenizer.save_pretrained(folder).")
        config = _read_json(folder / "tokenizer_config.json") or {}
        generation = _read_json(folder / "generation_config.json") or {}
        self.library = Library.from_file(str(folder / "tokenizer.json"))
        # Spelled-out special tokens, already told from real ones, are text.
        self.plain = Library.from_file(str(folder / "tokenizer.json"))
        self.plain.encode_special_tokens = True
        self.library.no_truncation(), self.library.no_padding(), self.plain.no_truncation(), self.plain.no_padding()
        self.added = {token["content"]: token for token in definition.get("added_tokens", [])}
        self.special_ids = {token["id"] for token in self.added.values() if token["special"]}
        self.special = {name: _text(config.get(f"{name}_token")) for name in ("bos", "eos", "unk", "pad")}
        eos = self.special["eos"]
        own = [] if eos is None or self.token_id(eos) is None else [self.token_id(eos)]
        self.end_token_ids = list(dict.fromkeys([*end_token_ids, *as_list(generation.get("eos_token_id")), *own]))
        self.template = compile_template(_find_template(folder, config) or self._default_template())

    def _default_template(self) -> str:
        """For a model that brings none."""
        has_chat_ml = all(self.token_id(token) is not None for token in ("<|im_start|>", "<|im_end|>"))
        return CHAT_ML if has_chat_ml else PLAIN_DIALOGUE

    @property
    def vocabulary_size(self) -> int:
        """One more than the highest token id."""
        return 1 + max(self.library.get_vocab(with_added_tokens=True).values())

    def token_id(self, token: str) -> int | None:
        return self.library.token_to_id(token)

    def encode(self, text: str) -> list[int]:
        """Text from people or files: special tokens in it are text."""
        return self._encode_sections(self.break_special(text, MARKS[0]), MARKS[0]) if self._spells_special(text) else self._ids(self.library, text)

    def decode(self, ids: list[int], special: bool = False) -> str:
        return self.library.decode(ids, skip_special_tokens=not special)

    def _ids(self, library: Library, text: str) -> list[int]:
        return library.encode(text, add_special_tokens=False).ids

    def _spells_special(self, text: str) -> bool:
        return any(content in text for content, token in self.added.items() if token["special"])

    def break_special(self, text: str, mark: str) -> str:
        """Every special token that the text spells out, broken by a mark behind its first character."""
        pattern = _any_of(content for content, token in self.added.items() if token["special"])
        while pattern is not None and pattern.search(text):
            text = pattern.sub(lambda found: found[0][0] + mark + found[0][1:], text)
        return text

    def _encode_sections(self, text: str, mark: str) -> list[int]:
        """Added tokens first, then what lies between them without the marks."""
        pattern, ids, at = _any_of(self.added), [], 0
        for found in pattern.finditer(text) if pattern else ():
            ids += self._ids(self.plain, text[at : found.start()].replace(mark, ""))
            ids.append(self.added[found[0]]["id"])
            at = found.end()
        return ids + self._ids(self.plain, text[at:].replace(mark, ""))

    def render(self, messages: list[dict], finished: bool = False) -> tuple[list[int], str]:
        """Tokens and text of a conversation; `finished` opens no new turn."""
        contents = [message["content"] for message in messages]
        mark = next((each for each in MARKS if not any(each in content for content in contents)), None)
        if mark is None:
            raise TemplateError("the messages use every noncharacter that could mark them")
        marked = [{"role": message["role"], "content": self.break_special(message["content"], mark)} for message in messages]
        names = {f"{name}_token": token for name, token in self.special.items() if token is not None}
        try:
            text = self.template.render(messages=marked, add_generation_prompt=not finished, **names)
        except Exception as error:  # whatever the template itself raises
            raise TemplateError(f"The model's chat template failed: {error}.") from error
        is_broken = any(mark in each["content"] for each in marked)
        ids = self._encode_sections(text, mark) if is_broken else self._ids(self.library, text)
        return ids, text.replace(mark, "")

    def render_within(self, messages: list[dict], room: int) -> tuple[list[int], str, bool]:
        """A prompt in so many tokens: the oldest turns are dropped, then the front of the newest is cut; the third says whether any was."""
        system = messages[:1] if messages and messages[0]["role"] == "system" else []
        turns = messages[len(system) :]
        starts = [at for at, turn in enumerate(turns) if at == 0 or turn["role"] == "user"] or [0]
        for start in starts:
            kept = [*system, *turns[start:]]
            if sum(_utf16(each["content"]) for each in kept) > room * CHARACTERS_PER_TOKEN or len(kept) > room:
                continue
            ids, text = self.render(kept)
            if len(ids) <= room:
                return ids, text, start > 0
        ids, text = self._cut_to_fit(system, turns[starts[-1] :], room)
        return ids, text, True

    def _cut_to_fit(self, system: list[dict], turns: list[dict], room: int) -> tuple[list[int], str]:
        """The same steps as renderConversation's in TypeScript, so that the same characters stay."""

        def attempt(cut: int):
            return cut, *self.render([*system, *_cut_front(turns, cut)])

        total = sum(_utf16(turn["content"]) for turn in turns)
        fitting = attempt(total)
        if len(fitting[1]) > room:
            raise PromptTooLongError(
                f"The system prompt alone takes {len(fitting[1])} tokens and the model has room for {room}. "
                "Shorten the system prompt or lower the longest answer."
            )
        long = attempt(max(0, total - room * CHARACTERS_PER_TOKEN))
        if len(long[1]) <= room:
            return long[1], long[2]
        for number in range(40):
            gap = fitting[0] - long[0]
            if gap <= 1 or room - len(fitting[1]) <= 4:
                break
            share = (len(long[1]) - room + 2) / (len(long[1]) - len(fitting[1]))
            step = int(gap * (0.5 if number % 4 == 3 else share) + 0.5)
            tried = attempt(long[0] + min(gap - 1, max(1, step)))
            if len(tried[1]) <= room:
                fitting = tried
            else:
                long = tried
        return fitting[1], fitting[2]


def as_list(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut_front(turns: list[dict], characters: int) -> list[dict]:
    """Counted as UTF-16 does; never half of a surrogate pair."""
    kept, left = [], characters
    for turn in turns:
        units = turn["content"].encode("utf-16-le", "surrogatepass")
        cut = min(left, len(units) // 2)
        left -= cut
        content = units[2 * cut :].decode("utf-16-le", "surrogatepass")
        kept.append({**turn, "content": re.sub(r"^[\udc00-\udfff]", "", content)})
    return kept


def _any_of(contents) -> re.Pattern | None:
    longest_first = sorted(contents, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _text(token: str | dict | None) -> str | None:
    return token["content"] if isinstance(token, dict) else token


def _read_json(file: Path) -> dict | None:
    return json.loads(file.read_text("utf-8")) if file.exists() else None


def _find_template(folder: Path, config: dict) -> str | None:
    file = folder / "chat_template.jinja"
    if file.exists():
        return file.read_text("utf-8")
    template = config.get("chat_template")
    if isinstance(template, list):
        return next((each["template"] for each in template if each.get("name") == "default"), None)
    return template


def compile_template(source: str):
    """As transformers sets up Jinja, in its sandbox: a template is code from outside."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])

    def refuse(message: str):
        raise TemplateError(message)

    environment.globals["raise_exception"] = refuse
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    return environment.from_string(source)
