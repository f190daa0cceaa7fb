"""Task suites (docs/suites.md): what is asked, how a response is scored, and the figures of it, as model/eval/suites has them."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from attune_gpu import eval_metrics as metrics
from attune_gpu.bootstrap import bootstrap_interval
from attune_gpu.errors import ConfigError, UnfitDataError
from attune_gpu.gold import gold_parts, repetition_of
from attune_gpu.random_numbers import permutation
from attune_gpu.read_lines import BadLine, list_problems, parse_object, read_bytes, read_each_line

SHIPPED = ("word-problems", "reading", "format", "safety", "toxicity")
ASKED = {"instruction": "", "responseTokens": 64, "shots": []}
DEFAULTS = {**ASKED, "description": "", "licence": "", "stop": [], "noAnswer": None, "reasoning": None}
# What is told of each metric, the main figure first, and what an item of it must hold.
FIGURES = {
    "squad": ["f1", "exactMatch"],
    "drop": ["f1", "exactMatch"],
    "bleu": ["bleu"],
    "rougeL": ["rougeL"],
    "number": ["accuracy"],
    "choice": ["accuracy", "accuracyPerByte"],
    "rules": ["met", "allMet"],
    "refusal": ["right"],
    "toxicity": ["clean"],
    "bitsPerByte": ["bitsPerByte"],
}
FIELDS = {"choice": ["prompt", "choices", "answer"], "rules": ["prompt", "rules"], "refusal": ["prompt", "refuse"], "toxicity": ["prompt"], "bitsPerByte": ["text"]}


@dataclass(frozen=True)
class Suite:
    name: str
    title: str
    metric: str
    asked: dict  # instruction, responseTokens, shots
    reasoning: dict | None
    stop: list[str]
    no_answer: str | None
    sha256: str
    items: list[dict]

    def variants(self) -> list[str]:
        if self.metric == "bitsPerByte":
            return ["zeroShot"]
        return ["zeroShot", *(["fewShot"] if self.asked["shots"] else []), *(["reasoning"] if self.reasoning else [])]

    def conversation(self, variant: str, item: dict) -> list[dict]:
        """Examples are earlier turns, each with the instruction, as the item itself has it."""
        asked = self.way(variant)
        before = f"{asked['instruction']}\n\n" if asked["instruction"] else ""
        shots = [] if variant == "zeroShot" else asked["shots"]
        turns = [turn for shot in shots for turn in (("user", before + shot["prompt"]), ("assistant", shot["response"]))]
        return [{"role": role, "content": content} for role, content in [*turns, ("user", before + item["prompt"])]]

    def way(self, variant: str) -> dict:
        return self.reasoning if variant == "reasoning" and self.reasoning else self.asked

    def thinned(self, most: int | None) -> "Suite":
        """Drawn, for items often alternate in kind; always the same ones, in the order of the file."""
        if most is None or len(self.items) <= most:
            return self
        drawn = set(permutation(1, 0, len(self.items))[:most])
        return Suite(**{**vars(self), "items": [item for at, item in enumerate(self.items) if at in drawn]})


def find_suites(named: list[str] | None) -> list[Suite]:
    """Folders, or names of those that ship."""
    shipped = Path(str(files("attune_gpu").joinpath("suites")))
    return [read_suite(shipped / each if "/" not in each else Path(each).resolve()) for each in named or SHIPPED]


def read_suite(folder: Path) -> Suite:
    file, items_file = folder / "suite.json", folder / "items.jsonl"
    content = read_bytes(str(file))
    try:
        head = {**DEFAULTS, **parse_object(content.decode("utf-8"))}
    except (BadLine, UnicodeDecodeError) as error:
        raise UnfitDataError(f"{file}: {error}") from error
    missing = [key for key in ("name", "title", "metric") if not isinstance(head.get(key), str)]
    if missing:
        raise UnfitDataError(f"{file}: {', '.join(missing)}: is missing")
    if head["metric"] not in FIGURES:
        raise ConfigError(f"suites: {head['name']} is measured by {head['metric']}, which npx attune eval alone knows. Here are {', '.join(FIGURES)}.")
    rows, problems, sha256 = read_each_line([str(items_file)], lambda line: _read_item(line, head["metric"]))
    if problems or not rows:
        raise UnfitDataError(list_problems(problems) or f"{items_file}: it has no items")
    items = [{**item, "id": item.get("id", str(source.line))} for source, item in rows]
    both = hashlib.sha256(content + sha256.encode()).hexdigest()
    asked = {key: head[key] for key in ASKED}
    reasoning = head["reasoning"] and {**ASKED, **head["reasoning"]}
    return Suite(head["name"], head["title"], head["metric"], asked, reasoning, head["stop"], head["noAnswer"], both, items)


def _read_item(line: str, metric: str) -> dict:
    item = parse_object(line)
    missing = [key for key in FIELDS.get(metric, ["prompt", "references"]) if key not in item]
    if missing:
        raise BadLine(f"{', '.join(missing)}: is missing")
    if metric == "choice" and not 0 <= item["answer"] < len(item["choices"]):
        raise BadLine("answer: there is no such choice")
    if metric == "drop":
        item["references"] = [[each] if isinstance(each, str) else each for each in item["references"]]
    return item


def score_response(said: str, item: dict, suite: Suite) -> dict:
    """`values` by the figure's name; `counts` of BLEU, which is a figure of all items together."""
    response = said.strip()
    return SCORERS[suite.metric](response, item, suite)


def _score_squad(response: str, item: dict, suite: Suite) -> dict:
    none = None if suite.no_answer is None else metrics.normalize_squad(suite.no_answer)

    def read(text: str) -> str:
        return "" if metrics.normalize_squad(text) == none else text

    return {"values": metrics.squad(read(response), [read(each) for each in item["references"]])}


def _score_bleu(response: str, item: dict, suite: Suite) -> dict:
    counts = metrics.bleu_counts(response, item["references"])
    own = metrics.bleu(counts["matches"], counts["totals"], counts["words"], counts["referenceWords"], effective_order=True)
    return {"values": {"bleu": own / 100}, "counts": counts}


def _score_rules(response: str, item: dict, suite: Suite) -> dict:
    parts = gold_parts(response, item["rules"])
    return {"values": {"met": sum(parts) / len(parts), "allMet": int(all(part == 1 for part in parts))}}


SCORERS = {
    "squad": _score_squad,
    "drop": lambda response, item, suite: {"values": metrics.drop(response, item["references"])},
    "bleu": _score_bleu,
    "rougeL": lambda response, item, suite: {"values": {"rougeL": metrics.rouge_l(response, item["references"])}},
    "number": lambda response, item, suite: {"values": {"accuracy": metrics.number(response, item["references"])}},
    "rules": _score_rules,
    "refusal": lambda response, item, suite: {"values": {"right": int(metrics.refuses(response) == item["refuse"])}},
    "toxicity": lambda response, item, suite: {"values": {"clean": int(not metrics.is_toxic(response))}},
}


def score_choice(item: dict, logprobs: list[list[float]]) -> dict:
    totals = [sum(each) for each in logprobs]
    per_byte = [total / len(choice.encode()) for total, choice in zip(totals, item["choices"], strict=True)]
    return {"values": {"accuracy": int(most_likely(totals) == item["answer"]), "accuracyPerByte": int(most_likely(per_byte) == item["answer"])}}


def most_likely(values: list[float]) -> int:
    return values.index(max(values))


def figure(name: str, scores: list[dict], seed: int) -> dict:
    """With its interval of 95 %, items resampled."""
    statistic = _statistic_of(name, scores)
    low, high = bootstrap_interval(len(scores), statistic, seed)
    return {"name": name, "value": statistic(np.ones(len(scores))), "low": low, "high": high}


def _statistic_of(name: str, scores: list[dict]):
    weights = np.array([score.get("weight", 1.0) for score in scores], dtype=np.float64)
    if name == "bleu":
        counts = [score["counts"] for score in scores]
        columns = np.array([[*each["matches"], *each["totals"], each["words"], each["referenceWords"]] for each in counts], dtype=np.float64)

        def corpus(drawn: np.ndarray) -> float | None:
            sums = (drawn @ columns).tolist()
            return metrics.bleu(sums[:4], sums[4:8], sums[8], sums[9]) / 100 if drawn.sum() else None

        return corpus
    values = np.array([score["values"].get(name, 0.0) for score in scores], dtype=np.float64)

    def mean(drawn: np.ndarray) -> float | None:
        own = drawn * weights
        return float((own @ values) / own.sum()) if own.sum() else None

    return mean


def slices_of(suite: Suite, scores: list[dict], seed: int) -> list[dict]:
    places: dict[str, list[int]] = {}
    for at, item in enumerate(suite.items):
        places.setdefault(item.get("slice", ""), []).append(at)
    if len(places) < 2:
        return []
    main = FIGURES[suite.metric][0]
    return [{"slice": name or "other", "items": len(own), "figure": figure(main, [scores[at] for at in own], seed)} for name, own in places.items()]


def behaviour_of(responses: list) -> dict | None:
    """Of sampled responses."""
    if not responses:
        return None
    columns = {
        "responseTokens": [len(each.tokens) for each in responses],
        "endedShare": [each.is_finished for each in responses],
        "repetition": [repetition_of(each.text) for each in responses],
        "refusedShare": [metrics.refuses(each.text) for each in responses],
        "emptyShare": [not each.text.strip() for each in responses],
    }
    return {name: float(np.mean(column)) for name, column in columns.items()}


def expected_of(item: dict) -> str:
    """For people."""
    if "references" in item:
        return "\n".join(", ".join([each] if isinstance(each, str) else each) for each in item["references"])
    if "choices" in item:
        return item["choices"][item["answer"]]
    if "refuse" in item:
        return "a refusal" if item["refuse"] else "an answer"
    return ", ".join(rule["type"] for rule in item.get("rules", []))


def compare_results(before: list[dict], after: list[dict], seed: int) -> list[dict]:
    """By how much the main figure is higher, on the same items of the same suites."""
    deltas = []
    for own in after:
        other = next((each for each in before if all(each[key] == own[key] for key in ("suite", "variant", "sha256"))), None)
        theirs = {item["id"]: item for item in other["items"]} if other else {}
        pairs = [(theirs[item["id"]], item) for item in own["items"] if item["id"] in theirs]
        if not pairs:
            continue
        difference = _difference(own["figures"][0]["name"], pairs, seed)
        deltas.append({"suite": own["suite"], "variant": own["variant"], "metric": own["metric"], "difference": difference, "items": len(pairs)})
    return deltas


def _difference(name: str, pairs: list[tuple[dict, dict]], seed: int) -> dict:
    before, after = (_statistic_of(name, list(side)) for side in zip(*pairs, strict=True))

    def statistic(drawn: np.ndarray) -> float | None:
        values = before(drawn), after(drawn)
        return None if None in values else values[1] - values[0]

    low, high = bootstrap_interval(len(pairs), statistic, seed)
    return {"name": name, "value": statistic(np.ones(len(pairs))), "low": low, "high": high}


def read_report(place: str) -> dict:
    file = Path(place) / "eval-report.json" if Path(place).is_dir() else Path(place)
    try:
        report = json.loads(file.read_text("utf-8"))
        return {"checkpoint": report["checkpoint"], "name": report["name"], "suites": report["suites"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnfitDataError(f"Report {file} is no report of attune eval ({type(error).__name__}: {error}).") from error
