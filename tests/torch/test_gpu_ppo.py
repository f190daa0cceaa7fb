"""PPO on the GPU package: one iteration against plain PyTorch, whole runs against the TypeScript engine, guard rails, parts of the score."""

import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from attune_gpu.checkpoint import LoraShape, open_checkpoint
from attune_gpu.config import read_config
from attune_gpu.errors import ConfigError, GuardRailError, PausedError, UnfitDataError
from attune_gpu.gold import gold_score, repetition_of
from attune_gpu.groups import Group
from attune_gpu.guard_rails import History, broken_guard
from attune_gpu.machine import Machine
from attune_gpu.model import Adapter, load_transformer
from attune_gpu.model_config import parse_config
from attune_gpu.ppo_iteration import PpoModels, is_gap_large, policy_targets, read_episodes, update
from attune_gpu.ppo_learners import PolicyLearner, ValueLearner, ValueModel
from attune_gpu.ppo_math import Episode, best_of_n, groups_of
from attune_gpu.prompts import Prompt, read_prompts
from attune_gpu.read_lines import Source
from attune_gpu.run_loop import Hooks
from attune_gpu.stages import run as run_on
from attune_gpu.vllm_generator import VllmGenerator
from command_line import ROOT
from gpu_runs import distance, interrupted_copy, run_attune, run_gpu, state_of
from runs import NOUNS, TINY
from torch import nn

TOLERANCE = 2e-5  # single against double precision; gradients are of order 1
CPU = torch.device("cpu")


def prompt_of(tokens) -> Prompt:
    return Prompt([{"role": "user", "content": ""}], None, None, Source("prompts.jsonl", 1), tuple(tokens))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("kind", ["full", "adapter"])
def test_one_iteration_is_that_of_plain_pytorch_number_by_number(family, kind):
    """The fixture of the TypeScript engine's own test (tests/numeric/ppo/fixtures/make_iteration.py)."""
    fixture = json.loads((ROOT / "tests" / "numeric" / "ppo" / "fixtures" / f"iteration-{family}.json").read_text())
    told, s = fixture["runs"][kind], fixture["settings"]
    config, lora = parse_config(fixture["config"]), LoraShape(**fixture["lora"])

    def tensors(weights):
        return {name: torch.tensor(values).reshape(fixture["shapes"][name]) for name, values in weights.items()}

    settings = {**s, "tokensPerBatch": 16, "recompute": True, "responsesPerPrompt": 1, "criticWarmup": 0, "whiten": True, "mostApproxKl": None, "scoreShift": "reference", "scoreScale": False}
    base = {name: torch.tensor(values).reshape(fixture["shapes"][name]) for name, values in fixture["base"].items()}
    start, reference, value_start = (tensors(told[key]) for key in ("policyStart", "reference", "valueStart"))
    if kind == "full":
        model, other = load_transformer(config, start, CPU).requires_grad_(True), load_transformer(config, reference, CPU)
        policy = PolicyLearner(model, None, dict(model.named_parameters()), (other, None), settings, Machine())
        head = nn.Parameter(value_start.pop("score.weight"))
        trunk = load_transformer(config, value_start, CPU).requires_grad_(True)
        value = ValueModel(trunk, None, head, None, {**dict(trunk.named_parameters()), "score.weight": head})
    else:
        model = load_transformer(config, base, CPU)
        adapter = Adapter(lora, start).trainable()
        policy = PolicyLearner(model, adapter, dict(adapter.parameters), (model, Adapter(lora, reference)), settings, Machine())
        name = "base_model.model.score.weight"
        head = nn.Parameter(value_start.pop(name))
        of_value = Adapter(lora, value_start).trainable()
        value = ValueModel(model, of_value, head, None, {**of_value.parameters, name: head})
    models = PpoModels(policy, ValueLearner(value, s["bias"], settings, Machine()), None, None, str)
    episodes = [Episode(prompt_of(e["prompt"]), e["tokens"], e["isEnded"], "", np.zeros(len(e["tokens"])), {"rewardModel": e["score"]}, e["score"]) for e in told["episodes"]]
    state = {"beta": s["beta"], "shift": s["shift"], "scores": {"count": 0, "mean": 0, "squares": 0}, "valueBias": s["bias"]}

    # 1. What the models say of the responses, and what follows for each token.
    read_episodes(models, episodes, state, settings)
    names = {"logprobs": "logprobs", "ref_logprobs": "refLogprobs", "values": "values", "rewards": "rewards", "returns": "returns", "advantages": "whitened"}
    for episode, expected in zip(episodes, told["episodes"], strict=True):
        for own, theirs in names.items():
            np.testing.assert_allclose(getattr(episode, own), expected[theirs], atol=TOLERANCE, rtol=0, err_msg=own)

    # 2. The updates, each with its own norm and its own clipping.
    seen: dict[str, list] = {"policy": [], "value": []}
    for key, learner in (("policy", models.policy), ("value", models.value)):
        watch(learner, seen[key])
    metrics, first_ratio_gap, applied, _ = update(models, episodes, s["step"], s["lr"], settings, None)
    assert applied and metrics["skippedUpdates"] == 0 and first_ratio_gap < 1e-4
    for key, learner in (("policy", models.policy), ("value", models.value)):
        assert len(seen[key]) == len(told[key]["updates"])
        for (losses, gradients), expected in zip(seen[key], told[key]["updates"], strict=True):
            for name, number in expected.items():
                assert losses[name] == pytest.approx(number, abs=TOLERANCE * max(1, number)), name
        for name, gradient in told[key]["gradients"].items():
            np.testing.assert_allclose(seen[key][0][1][name].flatten(), gradient, atol=TOLERANCE, rtol=0, err_msg=name)
        # 3. Where they lead.
        for name, weights in told[key]["after"].items():
            np.testing.assert_allclose(learner.trained[name].detach().flatten(), weights, atol=5 * TOLERANCE, rtol=0, err_msg=name)
    assert max(each["clipFrac"] for each in told["policy"]["updates"]) > 0.1


def watch(learner, seen: list) -> None:
    """What is told of each step, and its gradients before they are clipped."""
    step, optimizer_step = learner.step, learner.optimizer.step
    kept: dict = {}

    def step_optimizer(lr):
        kept["gradients"] = {name: p.grad.clone() for name, p in learner.trained.items()}
        return optimizer_step(lr)

    def take(*arguments, **options):
        outcome = step(*arguments, **options)
        seen.append(({**outcome.losses, "gradientNorm": outcome.gradient_norm}, kept["gradients"]))
        return outcome

    learner.optimizer.step, learner.step = step_optimizer, take


@pytest.fixture(scope="module")
def stories(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("stories") / "prompts.jsonl"
    rules = [{"type": "words", "words": ["once"]}]
    rows = [{"prompt": prompt, "rules": rules} for noun in NOUNS for prompt in (f"Tell me about a {noun}.", f"Write a story about a {noun}.")]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.fixture(scope="module")
def given(stories, llama_reward_lora) -> dict:
    """Of an adapter over the tiny model; none of the responses ends within so few tokens."""
    return {
        "model": str(TINY), "rewardModels": [str(llama_reward_lora.checkpoint)], "acceptFailedProbes": True, "data": [str(stories)], "iterations": 3,
        "episodesPerIteration": 8, "responseTokens": 5, "unfinishedScore": None, "minibatches": 2, "lr": 3e-3, "epsilon": 1e-5, "warmupSteps": 0, "criticWarmup": 1,
        "validationShare": 0.2, "evaluationPrompts": 3, "evaluateEverySteps": 2, "saveEverySteps": 1, "threads": 2, "lora": {"rank": 4, "alpha": 8},
    }  # fmt: skip


@pytest.fixture(scope="module")
def variants(given, stories, llama_reward_full, llama_full, tmp_path_factory) -> dict:
    text = tmp_path_factory.mktemp("text") / "text.txt"
    text.write_text("Once there was a cat. The cat was black and lived in a house.\n" * 8)
    return {
        "adapter": given,
        "everything": {
            **given, "ema": 0.9, "adaptiveKl": {"target": 0.5, "horizon": 100}, "scoreScale": True, "responsesPerPrompt": 2, "judge": "form",
            "ptx": {"data": [str(text)], "rowLength": 16, "perEpisode": 0.5}, "parts": [{"type": "rules", "name": "form", "weight": 0.5}],
        },
        "full": {**given, "model": str(llama_full.checkpoint), "lora": None, "rewardModels": [str(llama_reward_full.checkpoint)], "lr": 1e-4, "valueStart": "copied"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def theirs(variants, tmp_path_factory):
    """Runs of the TypeScript engine, each made once."""
    made: dict = {}

    def run(name: str):
        if name not in made:
            folder = tmp_path_factory.mktemp(f"ppo-{name}")
            made[name] = run_attune("ppo", {**variants[name], "output": str(folder / "run")}, folder), folder / "run"
        return made[name]

    return run


def last(output: Path) -> Path:
    return sorted((output / "checkpoints").iterdir())[-1]


@pytest.mark.parametrize("name", ["adapter", "everything", "full"])
def test_a_whole_run_is_the_typescript_engines(name, variants, theirs, tmp_path):
    """From the same draws both sample the same responses, and learn the same from them."""
    summary, output = theirs(name)
    ours = run_gpu("ppo", {**variants[name], "output": str(tmp_path / "run")})
    for key in ("steps", "training", "validation", "leftOut", "heldOutWin"):
        assert ours[key] == pytest.approx(summary[key]), key
    for key in ("heldOutScoreBefore", "heldOutScore", "heldOutKl"):
        assert ours[key] == pytest.approx(summary[key], abs=2e-3), key
    mine, their = state_of(last(tmp_path / "run")), state_of(last(output))
    assert mine["configSha256"] == their["configSha256"] and list(mine) == list(their) and list(mine["ofStage"]) == list(their["ofStage"])
    for key in ("beta", "shift", "valueBias", "ptxCoefficient"):
        own, other = mine["ofStage"][key], their["ofStage"][key]
        assert own is other is None or own == pytest.approx(other, rel=1e-3, abs=1e-4), key
    np.testing.assert_allclose(mine["ofStage"]["scored"], their["ofStage"]["scored"], atol=2e-3)
    assert distance(last(tmp_path / "run"), last(output)) < 1e-3


@pytest.mark.parametrize("name", ["adapter", "everything"])
def test_a_run_that_attune_began_is_finished_here(name, variants, theirs, tmp_path):
    summary, output = theirs(name)
    own = interrupted_copy(output, tmp_path / "run", 2)
    ours = run_gpu("ppo", {**variants[name], "output": str(own)})
    assert ours["finished"] and ours["heldOutScoreBefore"] == summary["heldOutScoreBefore"]
    assert distance(last(own), last(output)) < 1e-4


def test_a_run_that_was_begun_here_is_finished_by_attune(given, theirs, tmp_path):
    events = []
    own = {**given, "output": str(tmp_path / "run")}
    stopped = run_gpu("ppo", own, on_event=events.append, is_stopping=lambda: any(event["type"] == "iteration" and event["step"] == 1 for event in events))
    assert (stopped["steps"], stopped["finished"]) == (2, False)
    finished = run_attune("ppo", own, tmp_path / "attune")
    assert finished["finished"] and distance(last(tmp_path / "run"), last(theirs("adapter")[1])) < 1e-3
    # Everything is told in the words of the charts.
    metrics = next(event for event in events if event["type"] == "iteration")
    assert {"generation", "scoring", "reference", "value", "update"} == metrics["seconds"].keys()
    assert metrics["metrics"]["samplerGapMax"] < 1e-3 and metrics["metrics"]["klK3"] >= 0
    shown = next(event for event in events if event["type"] == "episodes")["episodes"]
    assert len(shown) == 8 and all(len(each["tokens"]) == len(each["tokenKl"]) == len(each["tokenValues"]) for each in shown)


def test_identical_seeds_give_identical_runs_and_several_seeds_a_spread(given, tmp_path):
    own = {**given, "iterations": 1, "bestOfSamples": None, "seeds": 2, "criticWarmup": 0}
    first, second = (run_gpu("ppo", {**own, "output": str(tmp_path / name)}) for name in ("a", "b"))
    assert [each["heldOutScore"] for each in first["seeds"]] == [each["heldOutScore"] for each in second["seeds"]]
    assert distance(last(tmp_path / "a" / "seed-1"), last(tmp_path / "b" / "seed-1")) == 0
    assert distance(last(tmp_path / "a" / "seed-1"), last(tmp_path / "a" / "seed-2")) > 0
    assert first["spread"]["heldOutScore"]["lowest"] <= first["spread"]["heldOutScore"]["median"]


def test_a_guard_rail_saves_and_pauses_and_the_same_command_accepts_it(given, tmp_path):
    own = {**given, "output": str(tmp_path / "run"), "guards": {"klBudget": 1e-9}, "iterations": 4, "criticWarmup": 0, "validationShare": 0, "bestOfSamples": None}
    with pytest.raises(GuardRailError, match="above the budget of 1e-09") as error:
        run_gpu("ppo", own)
    assert error.value.rule == "klBudget"
    state = state_of(last(tmp_path / "run"))
    assert state["ofStage"]["accepted"]["klBudget"] > 0
    steps = state["step"]
    with pytest.raises(GuardRailError):  # a quarter worse, and it speaks again
        run_gpu("ppo", own)
    assert state_of(last(tmp_path / "run"))["step"] > steps


def test_guard_rails_speak_of_what_they_saw():
    first = {"entropy": 2.0, "responseTokens": 20.0, "endedShare": 1.0, "repetition": 0.1, "klK3": 0.0, "firstRatioGap": 0.0}
    guards = read_config("ppo", {"model": "m", "rewardModels": ["r"], "data": ["d"], "output": "o"})["guards"]
    now = {**first, "samplerGapMax": 0.0}

    def rule_of(precision="fp32", **change):
        history = History(first, change.pop("scores", []), change.pop("judged", []), change.pop("accepted", {}))
        broken = broken_guard({**now, **change}, history, guards, precision)
        return broken and broken[0]

    assert rule_of() is None
    assert rule_of(firstRatioGap=2e-3) == "firstRatio" and rule_of("bf16", firstRatioGap=2e-2) is None
    assert rule_of(samplerGapMax=2e-3) == "samplerGap" and rule_of("bf16", samplerGapMax=0.5) is None
    assert rule_of(klK3=10.5) == "klBudget" and rule_of(klK3=12.0, accepted={"klBudget": 10.5}) is None and rule_of(klK3=13.2, accepted={"klBudget": 10.5}) == "klBudget"
    assert rule_of(entropy=0.5) == "entropyFloor" and rule_of(responseTokens=7.0) == "lengthDrift" and rule_of(responseTokens=51.0) == "lengthDrift"
    assert rule_of(endedShare=0.4) == "endedFloor" and rule_of(repetition=0.5) == "repetition"
    rising = [0.1 * at for at in range(12)]
    assert rule_of(scores=rising, judged=[1 - 0.01 * at for at in range(12)]) == "flatJudge"
    assert rule_of(scores=rising, judged=rising) is None and rule_of(scores=rising, judged=[None] * 12) is None


def test_an_endpoint_scores_and_where_it_fails_the_run_waits_for_it(given, tmp_path):
    answers = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            items = json.loads(self.rfile.read(int(self.headers["content-length"])))["items"]
            answers.append(items)
            is_ok = len(answers) <= 2
            body = json.dumps({"scores": [float(len(item["response"])) for item in items]}).encode() if is_ok else b"{}"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        part = {"type": "endpoint", "name": "house", "weight": 1, "url": f"http://127.0.0.1:{server.server_port}/score", "retries": 1}
        own = {**given, "parts": [part], "rewardWeight": 0, "output": str(tmp_path / "run"), "bestOfSamples": None}
        # Before the first step and in the first iteration it answers; after that it does not.
        with pytest.raises(PausedError, match=r"The part house gave no scores in 2 attempts: its answer is not \{scores"):
            run_gpu("ppo", own)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert state_of(last(tmp_path / "run"))["step"] == 1
    assert answers[0][0]["messages"][-1]["role"] == "user"


def test_in_bf16_the_gap_between_sampler_and_trainer_is_told_and_weighs(given, tmp_path):
    events = []
    config = read_config("ppo", {**given, "iterations": 2, "bestOfSamples": None, "output": str(tmp_path / "run")})
    run_on("ppo", config, Machine(precision="bf16"), Hooks(on_event=events.append))
    metrics = [event["metrics"] for event in events if event["type"] == "iteration"]
    assert 0 < metrics[0]["samplerGap"] < 0.05 and metrics[1]["firstRatioGap"] < 0.1
    far = Episode(prompt_of([1]), [2, 3], True, "", np.array([-1.0, -1.0]), {}, 0.0)
    far.logprobs, far.advantages = np.array([0.0, -3.0]), np.array([1.0, 1.0])
    assert is_gap_large([far])
    weighed = policy_targets([far], importance=True).columns["advantages"]
    torch.testing.assert_close(weighed, torch.tensor([2.0, np.exp(-2.0)], dtype=torch.float32))  # truncated at 2


def test_contradictions_and_unfit_prompts_are_named(given, tmp_path):
    own = {**given, "output": str(tmp_path / "run")}
    with pytest.raises(ConfigError) as error:
        run_gpu("ppo", {**own, "minibatches": 9, "judge": "x", "parts": [{"type": "rules", "name": "rewardModel", "weight": 1}]})
    for fact in ("minibatches: 9 are more than the 8 prompts", "the name rewardModel is taken", "there is no part named x"):
        assert fact in str(error.value)
    file = tmp_path / "prompts.jsonl"
    file.write_text('{"prompt": "Hi", "rules": [{"type": "wrods"}]}\n{"messages": [{"role": "assistant", "content": "x"}]}\n{"prompt": "Hi"}\n')
    _, problems, _ = read_prompts([str(file)])
    assert [problem.line for problem in problems] == [1, 2]
    with pytest.raises(UnfitDataError, match="has no rules, which the part form checks"):
        run_gpu("ppo", {**own, "data": [str(file)], "onBadLine": "skip", "parts": [{"type": "rules", "name": "form", "weight": 1}]})
    assert not (tmp_path / "run").exists()


def test_small_arithmetic():
    assert best_of_n([[1.0, 2.0, 3.0, 4.0]], 1) == 2.5 and best_of_n([[1.0, 2.0, 3.0, 4.0]], 4) == 4.0
    assert best_of_n([[0.0, 0.0, 1.0]], 2) == pytest.approx(2 / 3)
    assert gold_score("A cat sat.", [{"type": "words", "words": ["cat", "dog"]}, {"type": "ending"}]) == 0.75
    assert gold_score("", [{"type": "noRepetition"}]) == 0 and repetition_of("a b c a b c") == pytest.approx(0.25)
    shared = prompt_of([1, 2])
    episodes = [Episode(prompt, [3], True, "", np.zeros(1), {}, 0.0) for prompt in (shared, shared, prompt_of([1, 2]))]
    assert groups_of(episodes) == [Group((1, 2), [[3], [3]]), Group((1, 2), [[3]])]


def test_vllm_is_asked_for_the_policy_of_now_and_its_answers_are_read(monkeypatch):
    """Against a stand-in for vLLM's API; the real one was not run by us."""
    calls = []

    class SamplingParams:
        def __init__(self, **options):
            self.options = options

    class LLM:
        def __init__(self, **options):
            calls.append(options)

        def generate(self, prompts, parameters, lora_request, use_tqdm):
            calls.append((prompts, parameters, lora_request))
            step = lambda token: {token: types.SimpleNamespace(logprob=-0.5)}  # noqa: E731
            out = [([5, 2], "stop"), ([6, 7, 8], "length")]
            return [types.SimpleNamespace(outputs=[types.SimpleNamespace(token_ids=tokens, logprobs=[step(token) for token in tokens], finish_reason=reason)]) for tokens, reason in out]

    package = types.ModuleType("vllm")
    package.LLM, package.SamplingParams = LLM, SamplingParams
    request = types.ModuleType("vllm.lora.request")
    request.LoRARequest = lambda name, number, path: (name, number, path)
    for name, module in {"vllm": package, "vllm.lora": types.ModuleType("vllm.lora"), "vllm.lora.request": request}.items():
        monkeypatch.setitem(sys.modules, name, module)
    base = open_checkpoint(TINY)
    from attune_gpu.model import new_adapter

    generator = VllmGenerator(base, new_adapter(base.config, LoraShape(4, 8, ["q_proj"]), 1), 64)
    for _ in range(2):
        responses = generator.sample([[1, 2], [3]], [(7, 0), (7, 1)], seed=1, most_tokens=3)
    assert [(each.tokens, each.is_ended, each.sampler_logprobs) for each in responses] == [([5, 2], True, [-0.5] * 2), ([6, 7, 8], False, [-0.5] * 3)]
    (_, parameters, (_, number, folder)) = calls[2]
    assert number == 2 and (Path(folder) / "adapter_model.safetensors").exists() and calls[0]["enable_lora"]
    options = [each.options for each in parameters]
    assert options[0]["seed"] != options[1]["seed"] and options[0]["temperature"] == 1 and options[0]["stop_token_ids"] == base.tokenizer.end_token_ids
    with pytest.raises(ConfigError, match="trains adapters alone"):
        VllmGenerator(base, None, 64)
