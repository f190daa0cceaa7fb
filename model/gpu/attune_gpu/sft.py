"""Supervised fine-tuning: demonstrations in, a checkpoint out that answers as they do. The script of `attune-gpu sft`."""

from pathlib import Path

from attune_gpu.checkpoint import Checkpoint, checkpoint_facts, open_base
from attune_gpu.demonstrations import Demonstration, conversation_example, read_demonstrations
from attune_gpu.documents import read_documents, text_examples
from attune_gpu.errors import ConfigError, UnfitDataError
from attune_gpu.language_model import SamplePrompt, choose_lora, train_language_model
from attune_gpu.machine import Machine, threads_of
from attune_gpu.packing import Example
from attune_gpu.random_numbers import held_out
from attune_gpu.read_lines import BadLine, Problem, joined_sha256, list_problems, refuse_if
from attune_gpu.run_folder import claim_run_folder
from attune_gpu.run_loop import Hooks
from attune_gpu.tokenizer import Tokenizer


def run_sft(config: dict, machine: Machine, hooks: Hooks) -> dict:
    # 1. The base: its tokenizer, its chat template, its context.
    base = open_base(config["model"], hooks.base_places)
    context = base.config.context_length
    row_length = config["rowLength"] or min(512, context)
    if row_length > context:
        raise ConfigError(f"rowLength: {row_length} is more than the model's context of {context}")

    # 2. Demonstrations as tokens; what is unfit is named by file and line.
    demonstrations, problems, sha256 = read_demonstrations(config["data"])
    texts, mix_problems, mix_sha256 = _read_mix(config)
    bad_lines = [*problems, *mix_problems]
    refuse_if(config["onBadLine"] == "refuse", bad_lines)
    fitting, unfit = _to_examples(base, demonstrations, row_length)
    refuse_if(config["onLongExample"] == "refuse", unfit)

    # 3. A part held out, the same for the same seed.
    out = held_out(config["seed"], len(fitting), config["validationShare"])
    validation = [each for at, each in enumerate(fitting) if at in out]
    training = [each for at, each in enumerate(fitting) if at not in out]
    left_out = [*bad_lines, *unfit]
    if not training:
        raise UnfitDataError(f"No demonstration is left to train on.\n{list_problems(left_out)}")
    hooks.on_event({"type": "data", "training": len(training), "validation": len(validation), "leftOut": len(left_out)})

    # 4. The run.
    lora, threads = choose_lora(config["lora"], base), threads_of(config)
    settings = {**config, "stage": "sft", "rowLength": row_length, "threads": threads, "lora": lora and lora.json()}
    own_sha256 = joined_sha256([sha256, *([mix_sha256] if mix_sha256 else [])])
    dataset_sha256 = hooks.facts["datasetSha256"] if hooks.facts else own_sha256
    run = hooks.facts["run"] if hooks.facts else None
    facts = checkpoint_facts(base, name=config["name"], stage="sft", run=run, dataset_sha256=dataset_sha256, lora=lora, threads=threads)
    mix = config["pretrainMix"] and (text_examples(base.tokenizer, texts, row_length), config["pretrainMix"]["share"])
    with claim_run_folder(Path(config["output"]), stage="sft", settings=settings, dataset_sha256=dataset_sha256, base=base.id):
        summary = train_language_model(
            settings,
            base=base,
            training=[example for _, example in training],
            validation=[example for _, example in validation],
            mix=mix,
            prompts=_sample_prompts(base, config, [demonstration for demonstration, _ in validation]),
            facts=facts,
            machine=machine,
            hooks=hooks,
        )
    return {**summary, "stage": "sft", "training": len(training), "validation": len(validation), "leftOut": len(left_out)}


def _to_examples(base: Checkpoint, demonstrations: list[Demonstration], row_length: int) -> tuple[list[tuple[Demonstration, Example]], list[Problem]]:
    fitting, unfit = [], []
    for each in demonstrations:
        try:
            fitting.append((each, conversation_example(base.tokenizer, each.messages, base.config.context_length, row_length)))
        except BadLine as bad:
            unfit.append(Problem(each.source.file, each.source.line, str(bad)))
    return fitting, unfit


def _read_mix(config: dict) -> tuple[list[str], list[Problem], str | None]:
    if config["pretrainMix"] is None:
        return [], [], None
    documents, problems, sha256 = read_documents(config["pretrainMix"]["data"])
    if not documents:
        raise UnfitDataError(f"pretrainMix: there is no text to mix in.\n{list_problems(problems)}")
    return [text for _, text in documents], problems, sha256


def _sample_prompts(base: Checkpoint, config: dict, validation: list[Demonstration]) -> list[SamplePrompt]:
    """The configured ones, or the first held-out conversations up to their last answer."""
    tokenizer: Tokenizer = base.tokenizer
    if config["samplePrompts"] is not None:
        asked = [([{"role": "user", "content": text}], None) for text in config["samplePrompts"]]
    else:
        asked = [(each.messages[:-1], each.source) for each in validation[:3]]
    room = base.config.context_length - min(config["sampleTokens"], base.config.context_length // 2)
    return [SamplePrompt(messages[-1]["content"] if messages else "", tokenizer.render_within(messages, room)[0], source) for messages, source in asked]
