"""PPO: prompts and a reward model in, a policy out that scores higher and stays near the one it started from. The script of `attune-gpu ppo`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

from attune_gpu.checkpoint import (
    ADAPTER_WEIGHTS,
    Checkpoint,
    LoraShape,
    checkpoint_facts,
    open_base,
    open_checkpoint,
    read_manifest,
    write_language_model,
)
from attune_gpu.distributed import first
from attune_gpu.documents import read_documents, text_examples
from attune_gpu.errors import ConfigError, UnfitBaseError, UnfitDataError
from attune_gpu.generation import BatchedDecode, Generator
from attune_gpu.language_model import choose_lora, load_trained
from attune_gpu.machine import Machine, threads_of
from attune_gpu.memory import Need, ppo_need, within_memory
from attune_gpu.model import Adapter, load_transformer
from attune_gpu.model_config import ModelConfig
from attune_gpu.ppo_iteration import PpoModels
from attune_gpu.ppo_learners import PolicyLearner, ValueLearner, ValueModel
from attune_gpu.ppo_objective import PpoObjective
from attune_gpu.prompts import Prompt, read_prompts
from attune_gpu.rankings import held_out_prompts
from attune_gpu.read_lines import Problem, joined_sha256, list_problems, refuse_if
from attune_gpu.reward_model import RewardModel, head_name, load_headless
from attune_gpu.run_folder import claim_run_folder, link_base
from attune_gpu.run_loop import Hooks, find_resumable, run_loop
from attune_gpu.safetensors_file import read_tensors
from attune_gpu.score_parts import REWARD_PART, ScoreParts
from attune_gpu.tokenizer import PromptTooLongError, TemplateError
from attune_gpu.training_state import read_hidden, read_moments
from attune_gpu.vllm_generator import VllmGenerator


def run_ppo(config: dict, machine: Machine, hooks: Hooks) -> dict:
    """Of one seed, or of several one after the other, each in a folder of its own."""
    if config["seeds"] == 1:
        return _run_seed(config, machine, hooks)
    split, summaries = config["splitSeed"] if config["splitSeed"] is not None else config["seed"], []
    for seed in range(config["seed"], config["seed"] + config["seeds"]):
        own = {**config, "seed": seed, "splitSeed": split, "seeds": 1, "output": str(Path(config["output"]) / f"seed-{seed}")}
        summaries.append({"seed": seed, **_run_seed(own, machine, hooks)})
        if not summaries[-1]["finished"]:
            break
    keys = [key for key in ("heldOutScore", "heldOutKl", "heldOutWin") if all(key in each for each in summaries)]
    columns = {key: [each[key] for each in summaries] for key in keys}
    spread = {key: {"median": float(np.median(column)), "lowest": min(column), "highest": max(column)} for key, column in columns.items()}
    finished = len(summaries) == config["seeds"] and all(each["finished"] for each in summaries)
    return {**summaries[-1], "seeds": summaries, "spread": spread, "finished": finished}


def _run_seed(config: dict, machine: Machine, hooks: Hooks) -> dict:
    # 1. The policy to start from, and the reward model whose copy is the value function.
    refuse_contradictions(config)
    base = open_base(config["model"], hooks.base_places)
    lora, threads = choose_lora(config["lora"], base), threads_of(config)
    lr = config["lr"] or (1e-5 if lora is None else 1e-4)
    value_lr = config["valueLr"] or lr
    judges = _refuse_other_judges(config, base)
    _refuse_failed_probes(config)

    # 2. Prompts as chat renders them, some held out, a user's together; and text, where there is to be any.
    read, problems, sha256 = read_prompts(config["data"])
    refuse_if(config["onBadLine"] == "refuse", problems)
    fitting, unfit = _to_prompts(base, read, config["responseTokens"])
    refuse_if(config["onLongPrompt"] == "refuse", unfit)
    left_out = [*problems, *unfit]
    if not fitting:
        raise UnfitDataError(f"No prompt is left to answer.\n{list_problems(left_out)}")
    refuse_if(True, _without_rules(fitting, config["parts"]))
    split = config["splitSeed"] if config["splitSeed"] is not None else config["seed"]
    out = held_out_prompts([(prompt.messages, prompt.user) for prompt in fitting], split, config["validationShare"])
    training = [prompt for at, prompt in enumerate(fitting) if at not in out]
    held_out = [prompt for at, prompt in enumerate(fitting) if at in out]
    if not training:
        raise UnfitDataError("No prompt is left to train on. Give more prompts, or set validationShare to 0.")
    texts, text_sha256 = _read_texts(base, config["ptx"])
    hooks.on_event({"type": "data", "training": len(training), "validation": len(held_out), "leftOut": len(left_out)})

    # 3. Whose run it is.
    parts = [{**part, "model": judges[part["model"]]} if part["type"] == "rewardModel" else part for part in config["parts"]]
    settings = {
        **{key: value for key, value in config.items() if key != "seeds"},
        "stage": "ppo",
        "parts": parts,
        "rewardModelIds": [judges[folder] for folder in config["rewardModels"]],
        "ptx": config["ptx"] and {**config["ptx"], "data": []},
        "lora": lora and lora.json(),
        "lr": lr,
        "valueLr": value_lr,
        "threads": threads,
        "epochs": 1,
        "schedule": "constant",
        "finalShare": 1,
        "spikeFactor": None,
        "saveEverySteps": config["saveEverySteps"] or 5,
    }
    own_sha256 = joined_sha256([sha256, *([text_sha256] if text_sha256 else [])])
    dataset_sha256 = hooks.facts["datasetSha256"] if hooks.facts else own_sha256
    run = hooks.facts["run"] if hooks.facts else None
    facts = checkpoint_facts(base, name=config["name"], stage="ppo", run=run, dataset_sha256=dataset_sha256, lora=lora, threads=threads)
    output = Path(config["output"])
    longest = max(len(prompt.tokens) for prompt in fitting)

    def need(own: dict) -> Need:
        return ppo_need(base.config, lora, _shapes_of_judges(config, base, lora, hooks), machine, longest, own)

    claim = claim_run_folder(output, stage="ppo", settings=settings, dataset_sha256=dataset_sha256, base=base.id)
    with claim, within_memory(need, "ppo", settings, machine, hooks.on_event):
        run_sha256, resumable = find_resumable(settings, dataset_sha256, base.id)
        if lora is not None:
            link_base(output, base)

        # 4. What it computes with.
        models = open_models({**config, "lr": lr, "valueLr": value_lr}, base, lora, machine, resumable and resumable[0], hooks)

        # 5. The run. What it was judged by must be at its end what it was at its start.
        judged_by = models.scoring.sha256()
        state = resumable[1]["ofStage"] if resumable else None
        own = {**config, "lr": lr, "valueLr": value_lr}
        objective = PpoObjective(
            own, models, training, held_out, texts, state, lambda folder, weights: first(lambda: write_language_model(folder, base, lora, weights, facts)), hooks
        )
        if resumable:
            names = {**models.policy.trained, **{f"value.{name}": p for name, p in models.value.trained.items()}}
            folder = resumable[0] / "state"
            objective.restore(read_moments(folder, names), read_hidden(folder, list(objective.hidden())), resumable[1]["optimizerSteps"])
        summary = run_loop(settings, objective, start=base.folder, sha256=run_sha256, resumable=resumable, hooks=hooks)
        if models.scoring.sha256() != judged_by:
            raise RuntimeError("The reward model has changed during the run")
    return {**summary, "stage": "ppo", "training": len(training), "validation": len(held_out), "leftOut": len(left_out)}


def open_models(config: dict, base: Checkpoint, lora: LoraShape | None, machine: Machine, resume_from: Path | None, hooks: Hooks) -> PpoModels:
    """All over one base in memory where there is one: policy, reference, reward and value are adapters and heads."""
    start_model, start_adapter, start = load_trained(base, lora, config["seed"], machine, None)
    if lora is None:
        # The reference stays as it is, in the precision that frozen weights have.
        reference = load_transformer(base.config, base.complete_weights(), machine.device, machine.frozen_dtype), None
        model, adapter, trained = (start_model, None, start) if resume_from is None else load_trained(base, None, config["seed"], machine, resume_from)
        shared = None
    else:
        frozen = Adapter(lora, {name: p.detach().clone() for name, p in start_adapter.parameters.items()})
        model, reference, shared = start_model, (start_model, frozen), (base.base_id, start_model)
        adapter, trained = start_adapter, start
        if resume_from is not None:
            adapter = Adapter(lora, read_tensors(resume_from / ADAPTER_WEIGHTS)).to(machine.device).trainable()
            trained = dict(adapter.parameters)
    policy = PolicyLearner(model, adapter, trained, reference, config, machine)
    places = [base.base_folder, *hooks.base_places]
    judges = [open_checkpoint(folder, places) for folder in config["rewardModels"]]
    watching = {part["name"]: open_checkpoint(part["model"], places) for part in config["parts"] if part["type"] == "rewardModel"}

    def judge_of(checkpoint: Checkpoint):
        return (machine.elsewhere and machine.elsewhere.reward_model(checkpoint)) or RewardModel.load(checkpoint, machine, shared)

    scoring = ScoreParts(config, [judge_of(judge) for judge in judges], {name: judge_of(judge) for name, judge in watching.items()})
    value = ValueLearner(copy_of_reward_model(judges[0], machine, shared), judges[0].score_bias, config, machine)
    generator: Generator = BatchedDecode(model, lambda: adapter, base.tokenizer.end_token_ids, machine)
    if machine.generator == "vllm":
        generator = VllmGenerator(base, adapter, base.config.context_length)
    if machine.elsewhere:
        generator = machine.elsewhere.generator(base, model, adapter) or generator
    return PpoModels(policy, value, generator, scoring, lambda tokens: base.tokenizer.decode(list(tokens), special=True))


def _shapes_of_judges(config: dict, base: Checkpoint, lora: LoraShape | None, hooks: Hooks) -> list[tuple[ModelConfig, LoraShape | None, bool]]:
    """Shape and adapter of each reward model, and whether it stands over the policy's base."""
    places = [base.base_folder, *hooks.base_places]
    folders = [*config["rewardModels"], *(part["model"] for part in config["parts"] if part["type"] == "rewardModel")]
    judges = [open_checkpoint(folder, places) for folder in folders]
    return [(each.config, each.adapter, None not in (lora, each.adapter) and each.base_id == base.base_id) for each in judges]


def copy_of_reward_model(checkpoint: Checkpoint, machine: Machine, shared) -> ValueModel:
    """Trainable; over the base that is in memory already where it is of the same lineage."""
    name = head_name(checkpoint.adapter)
    head = nn.Parameter(checkpoint.score_head().to(machine.device))
    if checkpoint.adapter is None:
        model = load_headless(checkpoint, machine, dtype=head.dtype).requires_grad_(True)
        return ValueModel(model, None, head, None, {**dict(model.named_parameters()), name: head})
    stored = {each: p for each, p in checkpoint.adapter_weights().items() if ".lora_" in each}
    adapter = Adapter(checkpoint.adapter, stored).to(machine.device).trainable()
    is_shared = shared is not None and shared[0] == checkpoint.base_id
    model = shared[1] if is_shared else load_headless(checkpoint, machine)
    return ValueModel(model, adapter, head, checkpoint.config.layer_count, {**adapter.parameters, name: head})


def refuse_contradictions(config: dict) -> None:
    """What one setting alone cannot tell."""
    adaptive, guards, parts = config["adaptiveKl"], config["guards"], config["parts"]
    names, episodes, per_prompt = [part["name"] for part in parts], config["episodesPerIteration"], config["responsesPerPrompt"]
    faults = []
    if adaptive and config["beta"] == 0:
        faults.append("beta: 0 stays 0 however it is steered. Give it a value, or set adaptiveKl to null.")
    if adaptive and guards["klBudget"] is not None and adaptive["target"] >= guards["klBudget"]:
        faults.append(f"adaptiveKl.target: {adaptive['target']} nats are not below guards.klBudget, {guards['klBudget']}, at which the run pauses.")
    if episodes % per_prompt:
        faults.append(f"responsesPerPrompt: {per_prompt} do not divide the {episodes} episodes of an iteration")
    if config["minibatches"] * per_prompt > episodes:
        faults.append(f"minibatches: {config['minibatches']} are more than the {episodes / per_prompt:g} prompts of an iteration")
    taken = next((name for at, name in enumerate(names) if name in names[:at] or name == REWARD_PART), None)
    if taken is not None:
        faults.append(f"parts: the name {taken} is taken")
    if config["judge"] is not None and config["judge"] not in names:
        faults.append(f"judge: there is no part named {config['judge']}; there is {', '.join(names) or 'none'}")
    if faults:
        raise ConfigError("\n".join(faults))


def _refuse_other_judges(config: dict, base: Checkpoint) -> dict[str, str]:
    """Told before the run's folder is made. The id of each folder of a reward model."""
    folders = [*config["rewardModels"], *(part["model"] for part in config["parts"] if part["type"] == "rewardModel")]
    ids = {}
    for folder in folders:
        ids[folder], manifest = read_manifest(Path(folder))
        if manifest["stage"] != "reward":
            raise UnfitBaseError(f"{folder} is no reward model ({manifest['name']} is of the stage {manifest['stage']}).")
        if manifest["files"].get("tokenizer.json", {}).get("sha256") != base.manifest["files"].get("tokenizer.json", {}).get("sha256"):
            raise UnfitBaseError(
                f"The reward model {manifest['name']} has another tokenizer than {base.manifest['name']} (their tokenizer.json differ). Train one from a "
                f"checkpoint of the lineage of {base.manifest['name']}, or choose one that was."
            )
    return ids


def _refuse_failed_probes(config: dict) -> None:
    """Asked before time is spent: what fails the probes is what the policy would find."""
    for folder in [] if config["acceptFailedProbes"] else config["rewardModels"]:
        file = Path(folder) / "reward-report.json"
        report = json.loads(file.read_text()) if file.exists() else {}
        failed = [kind["kind"] for kind in (report.get("probes") or {}).get("kinds", []) if not kind["passes"]]
        if failed:
            raise ConfigError(
                f"rewardModels: {folder} failed {len(failed)} of its probes ({', '.join(failed)}): it prefers such responses to real ones, and PPO would "
                "find them. Train another one, or set acceptFailedProbes to true."
            )


def _to_prompts(base: Checkpoint, prompts: list[Prompt], response_tokens: int) -> tuple[list[Prompt], list[Problem]]:
    """Whole: a prompt that chat would cut is another one."""
    fitting, unfit, context = [], [], base.config.context_length
    for prompt in prompts:
        reason = f"leaves no room for {response_tokens} tokens in the model's context of {context}"
        try:
            tokens, _, is_cut = base.tokenizer.render_within(prompt.messages, context - response_tokens)
            if not is_cut:
                fitting.append(replace(prompt, tokens=tuple(tokens)))
                continue
        except PromptTooLongError:
            pass
        except TemplateError as error:
            reason = f"cannot be rendered: {error}"
        unfit.append(Problem(prompt.source.file, prompt.source.line, reason))
    return fitting, unfit


def _without_rules(prompts: list[Prompt], parts: list[dict]) -> list[Problem]:
    """Prompts whose responses one of the parts could not check."""
    return [
        Problem(prompt.source.file, prompt.source.line, f"has no rules, which the part {part['name']} checks responses against")
        for part in parts
        if part["type"] == "rules" and part["rules"] is None
        for prompt in prompts
        if prompt.rules is None
    ]


def _read_texts(base: Checkpoint, ptx: dict | None) -> tuple[list[list[int]] | None, str | None]:
    if ptx is None:
        return None, None
    context = base.config.context_length
    if ptx["rowLength"] > context:
        raise ConfigError(f"ptx.rowLength: {ptx['rowLength']} is more than the model's context of {context}")
    documents, problems, sha256 = read_documents(ptx["data"])
    rows = [example.tokens for example in text_examples(base.tokenizer, [text for _, text in documents], ptx["rowLength"])]
    if not rows:
        raise UnfitDataError(f"ptx.data: there is no text.\n{list_problems(problems)}")
    return rows, sha256
