"""Rules that a prompt states and a response is checked against (model/eval/gold.ts), and how much a text repeats itself."""

import re


def gold_score(response: str, rules: list[dict]) -> float:
    """The mean over the rules, from 0 to 1; an empty response meets none."""
    met = gold_parts(response, rules)
    return sum(met) / max(1, len(met))


def gold_parts(response: str, rules: list[dict]) -> list[float]:
    """How far each rule is met."""
    words = _words(response)
    return [0.0 if not words else CHECKS[rule["type"]](rule, response, words) for rule in rules]


def repetition_of(text: str) -> float:
    """Of its word triples, the share that were there before."""
    words = text.lower().split()
    triples = [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]
    return 1 - len(set(triples)) / len(triples) if triples else 0.0


def _words(text: str) -> list[str]:
    """In small letters, without what stands around them."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())


def _said(rule: dict, response: str, words: list[str]) -> float:
    said = set(words)
    return sum(word.lower() in said for word in rule["words"]) / len(rule["words"]) if rule["words"] else 1.0


def _length(rule: dict, response: str, words: list[str]) -> float:
    """Outside of the band it falls evenly, to 0 at no word and at twice the most."""
    short = len(words) / rule["least"] if rule["least"] else 1.0
    return max(0.0, min(1.0, short, 2 - len(words) / rule["most"]))


def _format(rule: dict, response: str, words: list[str]) -> float:
    lines = [line for line in response.split("\n") if line.strip()]
    items = sum(bool(re.match(r"[-*] \S", line.strip())) for line in lines)
    if rule["items"] is None:
        return 1 - items / max(1, len(lines))
    # Neither a line too many nor one that is no item.
    most = max(rule["items"], len(lines))
    return min(items, rule["items"]) / most if most else 1.0


def _no_repetition(rule: dict, response: str, words: list[str]) -> float:
    triples = [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]
    return len(set(triples)) / len(triples) if triples else 1.0


def _ending(rule: dict, response: str, words: list[str]) -> float:
    return float(bool(re.search(r"[.!?][\"'”’)]*$", response.strip())))


def _answer(rule: dict, response: str, words: list[str]) -> float:
    return float(_plain(response) == _plain(rule["text"]))


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"\.$", "", text.strip())).lower()


CHECKS = {"words": _said, "length": _length, "format": _format, "noRepetition": _no_repetition, "ending": _ending, "answer": _answer}
