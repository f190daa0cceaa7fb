"""Files of rankings, and the one place where a ranking becomes comparisons (docs/formats.md, "Ranked data").

Read are the K-way layout, TRL's and HH's pairs, and Open-Assistant's trees; other layouts are converted by `npx attune data`.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from attune_gpu.errors import UnfitDataError
from attune_gpu.random_numbers import SPLIT_EPOCH, permutation
from attune_gpu.read_lines import BadLine, Problem, Source, read_bytes

ROLES = ("system", "user", "assistant")
ITEMS_TO_DETECT = 20
OTHER_LAYOUTS = {"winner": "Arena battles", "fields": "Argilla", "annotations": "Label Studio"}


@dataclass(frozen=True)
class RankedPrompt:
    prompt: list[dict]
    responses: list[str]
    rankings: list[list[int | None]]  # (K) beside the responses: 1 is best, equal ranks are a tie, None was not ranked
    user: str | None = None


@dataclass(frozen=True)
class WeightedPair:
    chosen: int
    rejected: int
    weight: float  # what the pair counts in the prompt's loss


@dataclass
class Weighed:
    pairs: list[WeightedPair] = field(default_factory=list)
    ties: int = 0
    comparisons: int = 0


def read_rankings(files: list[str]) -> tuple[list[tuple[Source, RankedPrompt]], list[Problem], str]:
    """JSONL or one JSON array, gzipped or not. A bad item costs no other."""
    rows: list[tuple[Source, RankedPrompt]] = []
    problems: list[Problem] = []
    digest = hashlib.sha256()
    for file in files:
        content = read_bytes(file)
        digest.update(content)
        _read_file(file, content, rows, problems)
    return rows, problems, digest.hexdigest()


def _read_file(file: str, content: bytes, rows: list, problems: list) -> None:
    layout, undecided = None, 0
    for line, item in _items(file, content):
        try:
            if isinstance(item, BadLine):
                raise item
            layout = layout or _layout_of(item)
            if layout is None:
                undecided += 1
                raise BadLine(f"has the fields {', '.join(list(item)[:12])}, which fit no layout")
            rows += [(Source(file, line), _checked(record)) for record in layout(item)]
        except BadLine as bad:
            problems.append(Problem(file, line, str(bad)))
        if undecided >= ITEMS_TO_DETECT:
            break
    if layout is None and undecided:
        raise UnfitDataError(f"Data file {file}: no item is of a layout that is known here. {problems[-1].reason}.")


def _items(file: str, content: bytes) -> Iterator[tuple[int, dict | BadLine]]:
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise UnfitDataError(f"Data file {file}: its gzip data is damaged or cut ({error}). Copy or export it again.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = None
    if text is not None and text.lstrip().startswith("["):
        yield from _array_items(file, text)
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line.decode("utf-8-sig"))
            yield number, item if isinstance(item, dict) else BadLine("is no JSON object")
        except UnicodeDecodeError:
            yield number, BadLine("is not UTF-8")
        except ValueError as error:
            yield number, BadLine(f"is not JSON: {error}")


def _array_items(file: str, text: str) -> Iterator[tuple[int, dict | BadLine]]:
    """With the line that each element begins on."""
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    while True:
        at = re.compile(r"[\s,]*").match(text, at).end()
        if text.startswith("]", at):
            return
        try:
            item, end = decoder.raw_decode(text, at)
        except ValueError as error:
            raise UnfitDataError(f"Data file {file}: the array is cut or malformed ({error}). Export it again.") from error
        yield text.count("\n", 0, at) + 1, item if isinstance(item, dict) else BadLine("is no JSON object")
        at = end


def _layout_of(item: dict):
    other = next((name for key, name in OTHER_LAYOUTS.items() if key in item), None)
    if other is not None and not ("prompt" in item and "responses" in item and "fields" not in item):
        raise UnfitDataError(f"{other} files are not read here: import them on the page Data and export them in the K-way layout.")
    if "message_tree_id" in item and "prompt" in item:
        return _read_tree
    if "prompt" in item and isinstance(item.get("responses"), list):
        return _read_k_way
    if "chosen" in item and "rejected" in item:
        return _read_pair
    return None


def _checked(record: RankedPrompt) -> RankedPrompt:
    """What a record must be beyond its types. Empty responses are allowed, for a model may say nothing."""
    for at, turn in enumerate(record.prompt):
        if not turn["content"].strip():
            raise BadLine(f"prompt.{at}: is empty")
    if not record.prompt or record.prompt[-1]["role"] != "user":
        raise BadLine("prompt: does not end with a user's turn")
    if len(record.responses) < 2:
        raise BadLine("responses: there are fewer than two; a ranking needs two responses or more")
    for at, ranks in enumerate(record.rankings):
        if len(ranks) != len(record.responses):
            raise BadLine(f"rankings.{at}.ranks: {len(ranks)} ranks for {len(record.responses)} responses")
    return record


def _turns(value: object, at: str) -> list[dict]:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    if not isinstance(value, list) or not value:
        raise BadLine(f"{at}: is neither text nor a list of turns with role and content")
    turns = []
    for i, turn in enumerate(value):
        if not isinstance(turn, dict) or turn.get("role") not in ROLES or not isinstance(turn.get("content"), str):
            raise BadLine(f"{at}.{i}: is no turn with role (system, user, assistant) and content")
        turns.append({"role": turn["role"], "content": turn["content"]})
    return turns


def _read_k_way(item: dict) -> list[RankedPrompt]:
    responses = item.get("responses")
    if not isinstance(responses, list) or "prompt" not in item:
        raise BadLine("has no prompt with responses")
    for at, response in enumerate(responses):
        if not isinstance(response, dict) or not isinstance(response.get("text"), str):
            raise BadLine(f"responses.{at}.text: is no text")
    texts, prompt = [response["text"] for response in responses], _turns(item["prompt"], "prompt")
    meta = item.get("meta")
    if "rankings" not in item:
        ranks = dense_ranks([response.get("rank") for response in responses])
        if all(rank is None for rank in ranks):
            raise BadLine("responses.0.rank: is missing, and so are the others")
        system = [{"role": "system", "content": item["system"]}] if item.get("system") else []
        return [RankedPrompt([*system, *prompt], texts, [ranks])]
    if item.get("formatVersion", 1) != 1:
        raise BadLine(f"formatVersion: is {item['formatVersion']}, and this version reads 1")
    rankings = item["rankings"]
    for at, ranking in enumerate(rankings if isinstance(rankings, list) else [None]):
        ranks = ranking.get("ranks") if isinstance(ranking, dict) else None
        if not isinstance(ranks, list) or any(rank is not None and (not isinstance(rank, int) or rank < 1) for rank in ranks):
            raise BadLine(f"rankings.{at}.ranks: is no list of whole numbers from 1, or null")
    user = meta.get("user") if isinstance(meta, dict) else None
    return [RankedPrompt(prompt, texts, [ranking["ranks"] for ranking in rankings], user if isinstance(user, str) and user else None)]


def dense_ranks(ranks: list) -> list[int | None]:
    """Any numbers, smaller is better, as ranks from 1 without gaps; None stays."""
    known = sorted({rank for rank in ranks if rank is not None})
    return [None if rank is None else known.index(rank) + 1 for rank in ranks]


def _read_pair(item: dict) -> list[RankedPrompt]:
    for name in ("chosen", "rejected"):
        if not isinstance(item.get(name), (str, list)):
            raise BadLine(f"{name}: is neither text nor a list of turns with role and content")
    chosen, rejected, prompt = item["chosen"], item["rejected"], item.get("prompt")
    system = [{"role": "system", "content": item["system"]}] if item.get("system") else []
    if isinstance(chosen, str) is not isinstance(rejected, str):
        raise BadLine("rejected: is not of the kind that chosen is")
    given = _prompt_turns(prompt) if isinstance(prompt, str) else [] if prompt is None else _turns(prompt, "prompt")
    if not isinstance(chosen, str):
        asked, a, b = _split_turns(given, _turns(chosen, "chosen"), _turns(rejected, "rejected"))
    elif given:
        asked, a, b = given, chosen, rejected
    elif "\n\nHuman:" in chosen:
        asked, a, b = _split_turns([], read_transcript(chosen), read_transcript(rejected))
    else:
        asked, a, b = _split_text(chosen, rejected)
    return [RankedPrompt([*system, *asked], [a, b], [[1, 2]])]


def _prompt_turns(prompt: str) -> list[dict]:
    """A prompt of the transcript kind ends with the marker of the response to come."""
    if "\n\nHuman:" not in prompt:
        return [{"role": "user", "content": prompt}]
    turns = read_transcript(prompt)
    return turns[:-1] if turns[-1]["role"] == "assistant" and not turns[-1]["content"].strip() else turns


def read_transcript(text: str) -> list[dict]:
    """What stands before the first marker is the system prompt; one space after a marker's colon is no content."""
    marks = list(re.finditer(r"\n\n(Human|Assistant):", text))
    system = text[: marks[0].start()] if marks else text
    turns = [{"role": "system", "content": system}] if system.strip() else []
    for at, mark in enumerate(marks):
        end = marks[at + 1].start() if at + 1 < len(marks) else len(text)
        content = text[mark.end() : end]
        turns.append({"role": "user" if mark[1] == "Human" else "assistant", "content": content.removeprefix(" ")})
    return turns


def _split_turns(given: list[dict], chosen: list[dict], rejected: list[dict]) -> tuple[list[dict], str, str]:
    """Turns may hold the response alone or the prompt as well; then the prompt's own turns say what was asked."""
    for name, turns in (("chosen", chosen), ("rejected", rejected)):
        if turns[-1]["role"] != "assistant":
            raise BadLine(f"{name}: does not end with an assistant's turn")
    before = chosen[:-1]
    if before != rejected[:-1]:
        raise BadLine("rejected: differs from chosen before the last response")
    prompt = before if len(before) >= len(given) and before else given
    return prompt, chosen[-1]["content"], rejected[-1]["content"]


def _split_text(chosen: str, rejected: str) -> tuple[list[dict], str, str]:
    """As TRL's extract_prompt: what both texts begin with, less a space at its end."""
    at = next((i for i, (a, b) in enumerate(zip(chosen, rejected)) if a != b), min(len(chosen), len(rejected)))
    if at > 0 and chosen[at - 1] == " ":
        at -= 1
    if not chosen[:at].strip():
        raise BadLine("prompt: is missing, and chosen and rejected begin differently")
    return [{"role": "user", "content": chosen[:at]}], chosen[at:], rejected[at:]


def _read_tree(item: dict) -> list[RankedPrompt]:
    """Each prompter's message whose replies carry ranks is one ranked prompt."""
    system = [{"role": "system", "content": item["system"]}] if isinstance(item.get("system"), str) else []
    records, open_nodes = [], [(item.get("prompt"), system)]
    while open_nodes:
        node, turns = open_nodes.pop()
        if not isinstance(node, dict) or not isinstance(node.get("text"), str) or node.get("role") not in ("prompter", "assistant"):
            raise BadLine("prompt: holds a message without text and role")
        turns = [*turns, {"role": "user" if node["role"] == "prompter" else "assistant", "content": node["text"]}]
        replies = [reply for reply in node.get("replies", []) if not (isinstance(reply, dict) and reply.get("deleted"))]
        ranked = [r for r in replies if isinstance(r, dict) and r.get("role") == "assistant" and isinstance(r.get("rank"), (int, float))]
        if node["role"] == "prompter" and len(ranked) >= 2:
            records.append(RankedPrompt(turns, [reply["text"] for reply in ranked], [dense_ranks([reply["rank"] for reply in ranked])]))
        open_nodes += [(reply, turns) for reply in reversed(replies)]
    return records


def weigh_pairs(record: RankedPrompt, on_conflict: str) -> Weighed:
    """Each untied pair of a ranking of K counts 1 / C(K, 2), tied ones counted in C(K, 2); several rankings count equally."""
    rankings = [{place: rank for place, rank in enumerate(ranks) if rank is not None} for ranks in record.rankings]
    rankings = [ranking for ranking in rankings if len(ranking) >= 2]
    if on_conflict == "consensus" and len(rankings) > 1:
        rankings = [bradley_terry_consensus(rankings)]
    weights: dict[tuple[int, int], float] = {}
    weighed = Weighed()
    for ranking in rankings:
        comparisons, ties = pairs_of(ranking)
        weighed.ties += ties
        weighed.comparisons += len(comparisons)
        for pair in comparisons:
            weights[pair] = weights.get(pair, 0.0) + 1 / (ties + len(comparisons)) / len(rankings)
    weighed.pairs = [WeightedPair(chosen, rejected, weight) for (chosen, rejected), weight in weights.items()]
    return weighed


def pairs_of(ranking: dict[int, int]) -> tuple[list[tuple[int, int]], int]:
    """(chosen, rejected) of each untied pair, and how many are tied."""
    places, comparisons, ties = list(ranking), [], 0
    for i, a in enumerate(places):
        for b in places[i + 1 :]:
            if ranking[a] == ranking[b]:
                ties += 1
            else:
                comparisons.append((a, b) if ranking[a] < ranking[b] else (b, a))
    return comparisons, ties


def bradley_terry_consensus(rankings: list[dict[int, int]], prior: float = 0.1) -> dict[int, int]:
    """One order out of several; strengths nearer than 1e-6 are a tie. Newton's method, halved until it climbs."""
    places = list(dict.fromkeys(place for ranking in rankings for place in ranking))
    wins = np.zeros((len(places), len(places)))
    for ranking in rankings:
        for i, a in enumerate(places):
            for j, b in enumerate(places):
                if i != j and a in ranking and b in ranking:
                    wins[i, j] += 1.0 if ranking[a] < ranking[b] else 0.5 if ranking[a] == ranking[b] else 0.0
    strengths = _strengths(wins, prior)
    order, ranks, rank, last = np.argsort(-strengths, kind="stable"), {}, 0, np.inf
    for at in order:
        rank += int(last - strengths[at] > 1e-6)
        last = strengths[at]
        ranks[places[at]] = rank
    return {place: ranks[place] for place in places}


def _strengths(wins: np.ndarray, prior: float) -> np.ndarray:
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    def likelihood(s):
        difference = s[:, None] - s[None]
        return (wins * -np.logaddexp(0, -difference)).sum() - prior / 2 * (np.logaddexp(0, -s) + np.logaddexp(0, s)).sum()

    s = np.zeros(len(wins))
    for _ in range(200):
        p = sigmoid(s[:, None] - s[None])
        gradient = (wins * (1 - p)).sum(1) - (wins.T * p).sum(1) + prior / 2 - prior * sigmoid(s)
        coupling = -(wins + wins.T) * p * (1 - p)
        np.fill_diagonal(coupling, 0)
        curvature = coupling + np.diag(prior * sigmoid(s) * sigmoid(-s) - coupling.sum(1))
        step, length = np.linalg.solve(curvature, gradient), 1.0
        largest = np.abs(step).max()
        while length * largest > 1e-5 and likelihood(s + length * step) < likelihood(s):
            length /= 2
        s = s + length * step
        if largest <= 1e-9:
            return s - s.mean()
    raise UnfitDataError(f"Strengths of {len(wins)} responses did not settle: their rankings cannot be brought to one order.")


def held_out_prompts(records: list[tuple[list[dict], str | None]], seed: int, share: float) -> set[int]:
    """Whole prompts (spaces and letter case aside), and all prompts of a user where rows name one; records are (prompt, user)."""
    clusters = _clusters(records)
    wanted, out = int(len(records) * share + 0.5), set()
    for at in permutation(seed, SPLIT_EPOCH, len(clusters)):
        cluster = clusters[at]
        # A user with much would take all of it.
        if len(out) + len(cluster) > wanted and (out or len(cluster) > len(records) / 2):
            continue
        if len(out) < wanted:
            out.update(cluster)
    return out


def _clusters(records: list[tuple[list[dict], str | None]]) -> list[list[int]]:
    """Rows that share a prompt or a user, directly or over others; in order of their first rows."""
    parent = list(range(len(records)))

    def find(place: int) -> int:
        while parent[place] != place:
            place = parent[place]
        return place

    first_with: dict[str, int] = {}
    for place, (prompt, user) in enumerate(records):
        text = "\n".join(f"{turn['role']}: {_plain(turn['content'])}" for turn in prompt)
        for key in [f"prompt {text}", *([f"user {user}"] if user else [])]:
            if key in first_with:
                a, b = find(first_with[key]), find(place)
                parent[max(a, b)] = min(a, b)
            else:
                first_with[key] = place
    clusters: dict[int, list[int]] = {}
    for place in range(len(records)):
        clusters.setdefault(find(place), []).append(place)
    return list(clusters.values())


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.lower()).strip()
