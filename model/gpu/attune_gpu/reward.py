"""Reward modelling: rankings in, a checkpoint out that scores responses as people ranked them. The script of `attune-gpu reward`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attune_gpu.checkpoint import ADAPTER_WEIGHTS, ENSEMBLE, Checkpoint, LoraShape, checkpoint_facts, open_base
from attune_gpu.demonstrations import read_demonstrations
from attune_gpu.distributed import first, share, together, total, whole
from attune_gpu.dropout import dropout_of
from attune_gpu.errors import ConfigError, UnfitBaseError, UnfitDataError
from attune_gpu.groups import Group, UnfitTemplateError, cut_into_batches, lay_out_groups, render_group
from attune_gpu.language_model import choose_lora
from attune_gpu.machine import Machine, threads_of
from attune_gpu.memory import reward_need, within_memory
from attune_gpu.model import Adapter, Transformer, load_transformer, new_adapter
from attune_gpu.model_config import expected_tensors
from attune_gpu.optimizer import Optimizer
from attune_gpu.random_numbers import permutation, uniform
from attune_gpu.rankings import RankedPrompt, WeightedPair, held_out_prompts, read_rankings, weigh_pairs
from attune_gpu.read_lines import Problem, Source, joined_sha256, list_problems, refuse_if
from attune_gpu.reward_model import group_states, head_name, load_headless, unused_token, write_reward_model
from attune_gpu.run_folder import claim_run_folder, link_base
from attune_gpu.run_loop import Hooks, Objective, Report, find_resumable, run_loop
from attune_gpu.safetensors_file import read_tensors
from attune_gpu.score_head import random_head, solve_head
from attune_gpu.tokenizer import PromptTooLongError, TemplateError
from attune_gpu.training_state import read_moments

REFERENCE_PROMPTS = 64  # whose responses the mean is taken over where none are held out
MOST_DEMONSTRATIONS = 256  # more would not move their mean
BOOTSTRAP, MEMBER_POSITION = 5, 1


@dataclass(frozen=True)
class RankedExample(Group):
    """Which of a prompt's responses should score higher, by how much."""

    pairs: tuple[WeightedPair, ...] = ()
    draws: tuple[int, ...] = ()  # of an ensemble: how often the prompt is in each member's own draw of the prompts


def run_reward(config: dict, machine: Machine, hooks: Hooks) -> dict:
    # 1. The base: its tokenizer, its chat template, its context.
    opened = open_base(config["model"], hooks.base_places)
    layers = config["layers"] or opened.config.layer_count
    if layers > opened.config.layer_count:
        raise ConfigError(f"layers: {layers} are more than the {opened.config.layer_count} of {opened.manifest['name']}")
    base = opened.with_layers(layers)
    context = base.config.context_length
    longest = config["longestTokens"] or min(1024, context)
    if longest > context:
        raise ConfigError(f"longestTokens: {longest} is more than the model's context of {context}")
    unused_token(base)
    lora, threads = choose_lora(config["lora"], base), threads_of(config)

    # 2. Rankings as tokens and pairs; what is unfit is named by file and line.
    rows, problems, sha256 = read_rankings(config["data"])
    refuse_if(config["onBadLine"] == "refuse", problems)
    examples, unfit, long, counts = _to_examples(base, rows, config, longest)
    refuse_if(config["onLongResponse"] == "refuse", long)
    refuse_if(config["onBadLine"] == "refuse", unfit)
    left_out = [*problems, *unfit, *long]
    if not examples:
        raise _nothing_preferred(len(rows), counts, left_out)

    # 3. Prompts held out, a user's together, the same for the same seed.
    out = held_out_prompts([(record.prompt, record.user) for record, _ in examples], config["seed"], config["validationShare"])
    validation = [example for at, (_, example) in enumerate(examples) if at in out]
    training = [example for at, (_, example) in enumerate(examples) if at not in out]
    demonstrations, reference_sha256 = _read_reference(base, config, longest)
    hooks.on_event({"type": "data", "training": len(training), "validation": len(validation), "leftOut": len(left_out)})
    for level, text in _notes(config, counts):
        hooks.on_event({"type": "note", "level": level, "text": text})

    # 4. The run.
    lr = config["lr"] or (9e-6 if lora is None else 2e-4)
    factor = config["headLrFactor"] or (1 if config["headStart"] == "solved" else 15)
    settings = {**config, "stage": "reward", "longestTokens": longest, "threads": threads, "lora": lora and lora.json(), "lr": lr, "headLrFactor": factor}
    own_sha256 = joined_sha256([sha256, *([reference_sha256] if reference_sha256 else [])])
    dataset_sha256 = hooks.facts["datasetSha256"] if hooks.facts else own_sha256
    run = hooks.facts["run"] if hooks.facts else None
    facts = checkpoint_facts(base, name=config["name"], stage="reward", run=run, dataset_sha256=dataset_sha256, lora=lora, threads=threads)
    with claim_run_folder(Path(config["output"]), stage="reward", settings=settings, dataset_sha256=dataset_sha256, base=base.id):
        longest_group = max(example.tokens for example in [*training, *validation, *demonstrations])
        with within_memory(partial(reward_need, base.config, lora, machine, longest_group), "reward", settings, machine, hooks.on_event):
            summary = _train(settings, base, lora, training, validation, demonstrations, facts, machine, hooks)
    return {**summary, "stage": "reward", "training": len(training), "validation": len(validation), "leftOut": len(left_out), **counts}


def _train(settings: dict, base: Checkpoint, lora: LoraShape | None, training, validation, demonstrations, facts: dict, machine: Machine, hooks: Hooks) -> dict:
    # 1. The order of the data is known before anything is computed.
    training = draw_for_members(training, settings["seed"], settings["ensemble"])
    sha256, resumable = find_resumable(settings, facts["datasetSha256"], base.id)
    if lora is not None:
        link_base(Path(settings["output"]), base)

    # 2. Weights: the base's with a new head, or where an interrupted run of the same configuration stands.
    model, adapter, trained = load_reward_weights(base, lora, settings, machine, resumable and resumable[0])
    trainer = RewardTrainer(model, adapter, trained, lora, settings, machine)
    if resumable:
        trainer.optimizer.restore(read_moments(resumable[0] / "state", trained), resumable[1]["optimizerSteps"])
    else:
        _start_head(trainer, training, settings, hooks)

    # 3. The run; each checkpoint says by its bias where 0 lies.
    objective = RewardObjective(trainer, base, lora, facts, training, validation, demonstrations)
    return run_loop(settings, objective, start=base.folder, sha256=sha256, resumable=resumable, hooks=hooks)


def load_reward_weights(base: Checkpoint, lora: LoraShape | None, settings: dict, machine: Machine, resume_from: Path | None):
    """The model without a vocabulary, its adapter, and what is trained, the head last: (members, hidden)."""
    members, name = settings["ensemble"], head_name(lora)
    if lora is None:
        names = [each for each in expected_tensors(base.config) if each != "lm_head.weight"]
        stored = base.complete_weights() if resume_from is None else read_tensors(resume_from / "model.safetensors")
        model, adapter = load_transformer(base.config, {each: stored[each] for each in names}, machine.device), None
        model.requires_grad_(True)
        parameters = dict(model.named_parameters())
        trained: dict[str, Tensor] = {each: parameters[each] for each in names}
    else:
        model = load_headless(base, machine)
        adapter = new_adapter(base.config, lora, settings["seed"])
        start = resume_from or (base.folder if base.adapter else None)
        if start is not None:
            stored = read_tensors(start / ADAPTER_WEIGHTS)
            adapter = Adapter(lora, {each: stored[each] for each in adapter.parameters})
        adapter = adapter.to(machine.device).trainable()
        trained = dict(adapter.parameters)
    head = torch.zeros(members, base.config.hidden_size)
    if resume_from is not None:
        file = ADAPTER_WEIGHTS if lora is not None else "model.safetensors"
        head = read_tensors(resume_from / (file if members == 1 else ENSEMBLE))[name if members == 1 else "score.weight"].float()
    trained[name] = nn.Parameter(head.to(machine.device))
    return model, adapter, trained


class RewardTrainer:
    def __init__(self, model: Transformer, adapter: Adapter | None, trained: dict[str, Tensor], lora: LoraShape | None, settings: dict, machine: Machine):
        self.model, self.adapter, self.trained, self.settings, self.machine = model, adapter, trained, settings, machine
        self.head = trained[head_name(lora)]
        self.optimizer = Optimizer(trained, settings, {head_name(lora): settings["headLrFactor"]})
        model.recompute, model.flexes = settings["recompute"], machine.flexes

    def read(self, examples: list[RankedExample], drop=None) -> Tensor:
        """(R, hidden) the states that the head reads, at the last token of each response."""
        batch = lay_out_groups(examples).to(self.machine.device)
        with self.machine.autocast():
            return group_states(self.model, batch, self.adapter, None, drop)[batch.ends].float()

    def loss(self, examples: list[RankedExample], prompts_per_step: int, drop=None) -> Tensor:
        """sum_i w_i softplus(r_rejected(i) - r_chosen(i)); of an ensemble the mean of the members' own."""
        scores = F.linear(self.read(examples, drop), self.head)  # (R, members)
        chosen, rejected, weights = pair_columns(examples, prompts_per_step, scores.shape[1])
        margins = scores[chosen.to(scores.device)] - scores[rejected.to(scores.device)]  # (pairs, members)
        return (F.softplus(-margins) * weights.to(scores.device)).sum()

    def step(self, examples: list[RankedExample], step: int, lr: float, accepts) -> Report:
        """One update on the mean loss over its prompts."""
        started, loss = self.machine.now(), 0.0
        for at, batch in enumerate(cut_into_batches(examples, self.settings["tokensPerBatch"])):
            places, counts = share(len(batch))
            part = counts * self.loss([batch[place] for place in places], len(examples), self._dropout(step, at, batch, places))
            part.backward()
            loss += part.item()
        loss = total(loss)
        differentiated = self.machine.now()
        norm, applied = self.optimizer.step(lr) if accepts(loss) else self.optimizer.discard()
        seconds = {"gradient": differentiated - started, "update": self.machine.now() - differentiated}
        return Report(loss, norm, applied, sum(example.tokens for example in examples), seconds)

    def _dropout(self, step: int, at: int, batch: list[RankedExample], places: list[int]):
        """Of the examples that are computed here, where they would be in the whole batch; its last token is filling."""
        ends = np.cumsum([example.tokens for example in batch])
        tokens = np.concatenate([*(np.arange(ends[place] - batch[place].tokens, ends[place]) for place in places), ends[-1:]])
        place = {"seed": self.settings["seed"], "step": step, "batch": at, "shape": (1, int(ends[-1]) + 1), "only": (slice(None), tokens)}
        config, place = self.model.config, {**place, "device": self.machine.device}
        return dropout_of(config.layer_count, config.hidden_size, self.settings["dropout"], **place)

    @torch.no_grad()
    def states(self, examples: list[RankedExample]) -> Iterator[Tensor]:
        """(responses, hidden) example by example."""
        for batch in cut_into_batches(examples, self.settings["tokensPerBatch"]):
            yield from together(batch, lambda own: self.read(own).cpu().split([len(example.responses) for example in own]))

    def scores(self, examples: list[RankedExample]) -> list[Tensor]:
        """(responses, members) of each example, without bias."""
        head = self.head.detach().cpu()
        return [F.linear(states, head) for states in self.states(examples)]


def pair_columns(examples: list[RankedExample], prompts_per_step: int, members: int) -> tuple[Tensor, Tensor, Tensor]:
    """Places of (pairs) among the responses of all examples; what each counts, (pairs, members)."""
    chosen, rejected, weights, first = [], [], [], 0
    for example in examples:
        draws = example.draws or (1,) * members
        for pair in example.pairs:
            chosen.append(first + pair.chosen)
            rejected.append(first + pair.rejected)
            weights.append([pair.weight / prompts_per_step * draw / members for draw in draws])
        first += len(example.responses)
    return torch.tensor(chosen, dtype=torch.long), torch.tensor(rejected, dtype=torch.long), torch.tensor(weights).reshape(-1, members)


def draw_for_members(examples: list[RankedExample], seed: int, members: int) -> list[RankedExample]:
    """Each member of an ensemble has prompts drawn for it with replacement, as many as there are."""
    if members == 1:
        return examples
    count = len(examples)
    places = [np.floor(count * uniform(seed, [BOOTSTRAP, member, np.arange(count), MEMBER_POSITION])).astype(int) for member in range(members)]
    draws = np.stack([np.bincount(each, minlength=count) for each in places], axis=1)
    return [RankedExample(e.prompt, e.responses, e.pairs, tuple(map(int, draws[at]))) for at, e in enumerate(examples)]


def _start_head(trainer: RewardTrainer, training: list[RankedExample], settings: dict, hooks: Hooks) -> None:
    """Random, or solved by one pass over the data; of an ensemble each member's on its own draw, with the penalty best for all."""
    members, hidden = trainer.head.shape
    if settings["headStart"] == "random":
        heads = random_head(settings["seed"], hidden, members)
    else:
        hooks.on_event({"type": "note", "level": "info", "text": f"The score head is solved first, on the states of {len(training)} prompts."})
        states = np.concatenate([each.numpy() for each in trainer.states(training)])
        solved = first(lambda: solve_head(states, _placed(training, None), settings["seed"]))
        heads = solved.head[None]
        if members > 1:
            strengths, seed = [solved.strength], settings["seed"]
            each = first(lambda: [solve_head(states, _placed(training, member), seed, strengths) for member in range(members)])
            heads = np.stack([one.head for one in each])
        best = next((outcome for outcome in solved.tried if outcome["strength"] == solved.strength), None)
        figures = "" if best is None else f" It orders {100 * best['accuracy']:.1f} % of the pairs of prompts held out in turn (loss {best['loss']:.3f})."
        hooks.on_event({"type": "note", "level": "info", "text": f"Solved, with a penalty of {solved.strength}.{figures}"})
    with torch.no_grad():
        trainer.head.copy_(torch.from_numpy(heads))


def _placed(training: list[RankedExample], member: int | None) -> list:
    """(from, to, pairs) among all states; a prompt that a member drew twice counts twice."""
    prompts, first = [], 0
    for example in training:
        times = 1 if member is None else example.draws[member]
        pairs = [(first + p.chosen, first + p.rejected, p.weight * times) for p in example.pairs] if times else []
        prompts.append((first, first + len(example.responses), pairs))
        first += len(example.responses)
    return prompts


class RewardObjective(Objective):
    def __init__(self, trainer: RewardTrainer, base: Checkpoint, lora, facts: dict, training, validation, demonstrations):
        self.trainer, self.base, self.lora, self.facts = trainer, base, lora, facts
        self.training, self.validation, self.demonstrations = training, validation, demonstrations
        settings = trainer.settings
        self.orders = [permutation(settings["seed"], epoch, len(training)) for epoch in range(settings["epochs"])]
        self.steps_per_epoch = math.ceil(len(training) / settings["promptsPerBatch"])
        self.total_steps = settings["epochs"] * self.steps_per_epoch
        self.latest: tuple[int, list[Tensor]] | None = None  # held-out scores, and after how many updates
        if validation:
            self.evaluate = self._evaluate

    def epoch_of(self, step: int) -> int:
        return step // self.steps_per_epoch

    def advance(self, step, lr, accepts):
        size = self.trainer.settings["promptsPerBatch"]
        at = step % self.steps_per_epoch * size
        examples = [self.training[place] for place in self.orders[self.epoch_of(step)][at : at + size]]
        return self.trainer.step(examples, step, lr, accepts)

    def _evaluate(self, step: int) -> dict:
        scored = self.trainer.scores(self.validation)
        self.latest = (self.trainer.optimizer.step_count, scored)
        return evaluate_scores(self.validation, scored)

    def write_weights(self, folder: Path) -> None:
        reference = torch.cat(self._reference_scores())  # (R, members)
        member_biases = -reference.double().mean(0).float()
        facts = {**self.facts, "scoreBias": -float(reference.double().mean())}
        biases = None if len(member_biases) == 1 else member_biases
        weights = whole(self.trainer.trained)
        first(lambda: write_reward_model(folder, self.base, self.lora, weights, facts, biases))

    def _reference_scores(self) -> list[Tensor]:
        """Of those that score 0 on average: the demonstrations, else what is held out, else the first ones trained on."""
        if self.demonstrations:
            return self.trainer.scores(self.demonstrations)
        if not self.validation:
            return self.trainer.scores(self.training[:REFERENCE_PROMPTS])
        if self.latest and self.latest[0] == self.trainer.optimizer.step_count:
            return self.latest[1]
        return self.trainer.scores(self.validation)

    def moments(self):
        return self.trainer.optimizer.moments()

    def optimizer_steps(self) -> int:
        return self.trainer.optimizer.step_count


def evaluate_scores(examples: list[RankedExample], scored: list[Tensor]) -> dict:
    """Mean of the prompts' losses in nats, and the share of untied pairs that are ordered as people did; equal scores count half."""
    loss, right, pairs = 0.0, 0.0, 0
    for example, scores in zip(examples, scored, strict=True):
        means = scores.double().mean(1).tolist()
        for pair in example.pairs:
            margin = means[pair.chosen] - means[pair.rejected]
            loss += pair.weight * (max(0.0, -margin) + math.log1p(math.exp(-abs(margin))))
            right += 1.0 if margin > 0 else 0.5 if margin == 0 else 0.0
            pairs += 1
    return {"validationLoss": loss / len(examples), "pairAccuracy": right / pairs}


def _to_examples(base: Checkpoint, rows: list[tuple[Source, RankedPrompt]], config: dict, longest: int):
    examples: list[tuple[RankedPrompt, RankedExample]] = []
    unfit, long = [], []
    counts = {"pairs": 0, "ties": 0, "tiedPrompts": 0, "cutResponses": 0}
    for source, record in rows:
        if not record.rankings:
            unfit.append(Problem(source.file, source.line, "has no ranking"))
            continue
        weighed = weigh_pairs(record, config["onConflict"])
        counts["ties"] += weighed.ties
        if not weighed.pairs:
            counts["tiedPrompts"] += 1
            continue
        # A response that nobody ranked is in no pair, and would be computed for nothing.
        ranked = sorted({place for pair in weighed.pairs for place in (pair.chosen, pair.rejected)})
        group = _render_or_explain(base, record.prompt, [record.responses[place] for place in ranked], longest)
        if isinstance(group, str):
            long.append(Problem(source.file, source.line, group))
            continue
        cut = sum(tokens > 0 for tokens in group.cut_tokens)
        if cut and config["onLongResponse"] != "cut":
            reason = f"has {cut} of {len(ranked)} responses that do not fit beside the prompt in {longest} tokens (longestTokens)"
            long.append(Problem(source.file, source.line, reason))
            continue
        counts["cutResponses"] += cut
        counts["pairs"] += weighed.comparisons
        pairs = tuple(WeightedPair(ranked.index(p.chosen), ranked.index(p.rejected), p.weight) for p in weighed.pairs)
        examples.append((record, RankedExample(group.prompt, group.responses, pairs)))
    return examples, unfit, long, counts


def _render_or_explain(base: Checkpoint, prompt: list[dict], responses: list[str], longest: int):
    try:
        return render_group(base.tokenizer, prompt, responses, longest)
    except PromptTooLongError as error:
        return str(error)
    except TemplateError as error:
        return f"cannot be rendered: {error}"
    except UnfitTemplateError as error:  # every row would be
        raise UnfitBaseError(f"{base.folder}: {error} Start from a model made for chat.") from error


def _read_reference(base: Checkpoint, config: dict, longest: int) -> tuple[list[RankedExample], str | None]:
    if config["demonstrations"] is None:
        return [], None
    demonstrations, problems, sha256 = read_demonstrations(config["demonstrations"])
    refuse_if(config["onBadLine"] == "refuse", problems)
    groups = [_render_or_explain(base, d.messages[:-1], [d.messages[-1]["content"]], longest) for d in demonstrations[:MOST_DEMONSTRATIONS]]
    examples = [RankedExample(group.prompt, group.responses) for group in groups if not isinstance(group, str)]
    if not examples:
        raise UnfitDataError(f"demonstrations: there is none to score.\n{list_problems(problems)}")
    return examples, sha256


def _nothing_preferred(rows: int, counts: dict, left_out: list[Problem]) -> UnfitDataError:
    fact = f"none of {rows} prompts can be used"
    if counts["tiedPrompts"]:
        fact = f"all responses of {counts['tiedPrompts']} of {rows} prompts are tied ({counts['ties']} pairs)"
    return UnfitDataError(
        f"There is no pair of responses of which one is preferred: {fact}. A reward model learns from such pairs alone: take rankings with fewer "
        f"ties.\n{list_problems(left_out)}"
    )


def _notes(config: dict, counts: dict) -> list[tuple[str, str]]:
    tied = f" {counts['tiedPrompts']} prompts are tied throughout and left out." if counts["tiedPrompts"] else ""
    notes = [("info", f"{counts['pairs']} pairs with a preference; {counts['ties']} tied ones count for nothing.{tied}")]
    if counts["cutResponses"]:
        notes.append(("warn", f"The end of {counts['cutResponses']} responses is cut; their scores are read at the last token kept."))
    if config["epochs"] > 1:
        notes.append(("warn", f"{config['epochs']} epochs: a reward model usually overfits after one. The checkpoint with the lowest validation loss is kept."))
    if config["folds"] is not None:
        notes.append(("warn", f"folds: {config['folds']} are not trained here; `npx attune reward` with the same settings trains them."))
    return notes
