"""Reward models on the GPU package agree with the TypeScript engine: heads, losses, scores, whole runs, and the rest of begun ones."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from attune_gpu.checkpoint import open_checkpoint
from attune_gpu.errors import UnfitDataError
from attune_gpu.groups import lay_out_groups, render_group
from attune_gpu.machine import Machine
from attune_gpu.rankings import RankedPrompt, held_out_prompts, read_rankings, weigh_pairs
from attune_gpu.reward import RankedExample, draw_for_members
from attune_gpu.reward_model import RewardModel
from attune_gpu.score_head import minimise, solve_head
from command_line import run_node
from gpu_runs import WEIGHTS, config_of, distance, interrupted_copy, run_gpu, state_of
from runs import TINY, write_rankings

RUNS = ["llama_reward_lora", "llama_reward_full", "llama_reward_short", "llama_reward_ensemble", "gpt2_reward_lora"]
PROMPT, RESPONSES = "Say dog", ["dog", "DOG!", "the dog and the cat", " dog", "", "dog <|im_end|> dog"]


@pytest.fixture(params=RUNS)
def run(request):
    return request.getfixturevalue(request.param)


def given_of(run, output: Path) -> dict:
    return {**config_of(Path(run.settings["output"]).parent), "output": str(output)}


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "attune.json").read_text())


def test_a_whole_run_gives_the_reward_model_of_the_typescript_engine(run, tmp_path):
    summary = run_gpu("reward", given_of(run, tmp_path / "run"))
    for key in ("steps", "pairs", "ties", "tiedPrompts", "cutResponses", "training", "validation", "leftOut", "pairAccuracy", "pairAccuracyBefore"):
        assert summary[key] == run.summary[key], key
    for key in ("validationLossBefore", "validationLoss"):
        assert summary[key] == pytest.approx(run.summary[key], abs=1e-4)
    ours = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    assert distance(ours, run.checkpoint) < 2 * WEIGHTS
    assert state_of(ours)["configSha256"] == state_of(run.checkpoint)["configSha256"]
    mine, theirs = manifest_of(ours), manifest_of(run.checkpoint)
    assert mine.pop("scoreBias") == pytest.approx(theirs.pop("scoreBias"), abs=1e-3)
    # The report and the learning curve are the TypeScript side's to make (docs/gpu.md).
    assert sorted({*theirs.pop("files")} - {*mine.pop("files")}) == ["reward-report.json", "reward-trials.json"]
    assert mine == theirs
    for name in ("config.json", "tokenizer_config.json", "adapter_config.json"):
        if (run.checkpoint / name).exists():
            assert json.loads((ours / name).read_text()) == json.loads((run.checkpoint / name).read_text()), name


def test_the_rest_of_a_begun_run_gives_the_same_reward_model(run, tmp_path):
    first = int(run.checkpoints[-2].name[5:])
    output = interrupted_copy(Path(run.settings["output"]), tmp_path / "run", first)
    events = []
    run_gpu("reward", given_of(run, output), on_event=events.append)
    assert [event["step"] for event in events if event["type"] == "resumed"] == [first]
    assert distance(sorted((output / "checkpoints").iterdir())[-1], run.checkpoint) < 2e-5


def test_a_reward_model_of_ours_scores_as_it_does_where_it_was_trained(run):
    """Responses behind one prompt, computed once, with spelled-out special tokens and none at all."""
    checkpoint = open_checkpoint(run.checkpoint)
    printed = json.loads(run_node("--import", "tsx", "tests/torch/reward-scores.ts", run.checkpoint, PROMPT, json.dumps(RESPONSES)))
    group = render_group(checkpoint.tokenizer, [{"role": "user", "content": PROMPT}], RESPONSES, checkpoint.config.context_length)
    assert [[*group.prompt, *response] for response in group.responses] == printed["ids"]
    scores = RewardModel.load(checkpoint, Machine()).score([group]).mean(1)
    np.testing.assert_allclose(scores.numpy(), printed["scores"], atol=2e-4)
    assert scores.std() > 0.01
    # By a prompt of its own for each response.
    alone = [lay_out_groups([RankedExample(group.prompt, [response])]) for response in group.responses]
    assert sum(batch.real_tokens for batch in alone) > lay_out_groups([group]).real_tokens
    singly = RewardModel.load(checkpoint, Machine()).score([RankedExample(group.prompt, [response]) for response in group.responses])
    np.testing.assert_allclose(singly.mean(1).numpy(), scores.numpy(), atol=2e-5)


def test_ties_count_for_nothing_and_stay_in_the_number_of_pairs():
    record = RankedPrompt([], ["a", "b", "c", "d"], [[1, 2, 2, None], [2, 1, 1, 3]])
    weighed = weigh_pairs(record, "each")
    weights = {(pair.chosen, pair.rejected): pair.weight for pair in weighed.pairs}
    assert weighed.ties == 2 and weighed.comparisons == 7
    assert weights[(0, 1)] == pytest.approx(1 / 3 / 2) and weights[(1, 0)] == pytest.approx(1 / 6 / 2) and (1, 2) not in weights
    # Two of three rankings prefer the first: so does what they agree on.
    agreed = weigh_pairs(RankedPrompt([], ["a", "b"], [[1, 2], [2, 1], [1, 2]]), "consensus")
    assert [(pair.chosen, pair.rejected, pair.weight) for pair in agreed.pairs] == [(0, 1, 1.0)]
    assert weigh_pairs(RankedPrompt([], ["a", "b"], [[1, 2], [2, 1]]), "consensus").ties == 1


def test_layouts_of_ranked_data_are_read_and_bad_items_are_named(tmp_path):
    transcript = "\n\nHuman: Hi\n\nAssistant: {}"
    items = {
        "trl.jsonl": ['{"prompt": "Hi", "chosen": "a", "rejected": "b"}', '{"prompt": "Hi", "chosen": "a"}'],
        "hh.jsonl": [json.dumps({"chosen": transcript.format("a"), "rejected": transcript.format("b")})],
        "text.jsonl": [json.dumps({"chosen": "Q: hi A: yes", "rejected": "Q: hi A: no"})],
        "plain.json": [json.dumps([{"prompt": "Hi", "responses": [{"text": "a", "rank": 0}, {"text": "b", "rank": 4}]}])],
        "tree.jsonl": [json.dumps({"message_tree_id": "t", "prompt": {"text": "Hi", "role": "prompter", "replies": [
            {"text": "b", "role": "assistant", "rank": 1, "replies": []}, {"text": "a", "role": "assistant", "rank": 0, "replies": []}]}})],
    }  # fmt: skip
    files = []
    for name, lines in items.items():
        files.append(str(tmp_path / name))
        (tmp_path / name).write_text("\n".join(lines))
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(items["trl.jsonl"][0].encode()))
    rows, problems, _ = read_rankings([*files, str(packed)])
    by_file = {Path(source.file).name: record for source, record in rows}
    for name in ("trl.jsonl", "hh.jsonl", "plain.json", "packed.jsonl.gz"):
        assert (by_file[name].prompt, by_file[name].responses) == ([{"role": "user", "content": "Hi"}], ["a", "b"]), name
        assert by_file[name].rankings == [[1, 2]]
    assert (by_file["text.jsonl"].prompt[0]["content"], by_file["text.jsonl"].responses) == ("Q: hi A:", [" yes", " no"])
    assert (by_file["tree.jsonl"].responses, by_file["tree.jsonl"].rankings) == (["b", "a"], [[2, 1]])
    assert [(Path(problem.file).name, problem.line) for problem in problems] == [("trl.jsonl", 2)]
    arena = tmp_path / "arena.jsonl"
    arena.write_text('{"winner": "tie", "conversation_a": [], "conversation_b": []}')
    with pytest.raises(UnfitDataError, match="Arena battles files are not read here"):
        read_rankings([str(arena)])


def test_data_without_any_preference_are_refused(tmp_path):
    file = tmp_path / "tied.jsonl"
    file.write_text('{"prompt": "Hi", "responses": [{"text": "a", "rank": 1}, {"text": "b", "rank": 1}]}\n')
    with pytest.raises(UnfitDataError, match="all responses of 1 of 1 prompts are tied"):
        run_gpu("reward", {"model": str(TINY), "data": [str(file)], "output": str(tmp_path / "run")})


def test_prompts_of_a_user_stay_on_one_side():
    records = [([{"role": "user", "content": f"q{at}"}], f"u{at // 4}") for at in range(40)]
    out = held_out_prompts(records, 3, 0.2)
    assert len(out) == 8 and {at // 4 for at in out} == {at // 4 for at in out if all(4 * (at // 4) + i in out for i in range(4))}
    same = [([{"role": "user", "content": text}], None) for text in ["Hello  there", "hello there", "a", "b", "c", "d"]]
    for seed in range(6):
        assert len({0, 1} & held_out_prompts(same, seed, 0.34)) != 1


def test_members_learn_from_draws_of_their_own():
    examples = [RankedExample([1], [[2], [3]]) for _ in range(30)]
    drawn = np.array([example.draws for example in draw_for_members(examples, 2, 3)])
    assert drawn.shape == (30, 3) and (drawn.sum(0) == 30).all() and (drawn == 0).any() and not (drawn[:, 0] == drawn[:, 1]).all()


def test_the_solved_head_is_the_least_of_its_objective():
    rng = np.random.default_rng(5)
    states, truth = rng.normal(size=(60, 6)).astype(np.float32), rng.normal(size=6)
    pairs = lambda first: [(a, b, 1 / 3) if states[a] @ truth > states[b] @ truth else (b, a, 1 / 3) for a, b in [(first, first + 1), (first, first + 2), (first + 1, first + 2)]]  # noqa: E731
    solved = solve_head(states, [(at, at + 3, pairs(at)) for at in range(0, 60, 3)], seed=1)
    assert len(solved.tried) == 8 and solved.strength in [outcome["strength"] for outcome in solved.tried]
    margins = [(states[a] - states[b]) @ solved.head for at in range(0, 60, 3) for a, b, _ in pairs(at)]
    assert np.mean(np.array(margins) > 0) > 0.9
    least = minimise(lambda x: (float(((x - 3) ** 4).sum() + (x**2).sum()), 4 * (x - 3) ** 3 + 2 * x), np.zeros(2))
    assert np.abs(4 * (least - 3) ** 3 + 2 * least).max() < 1e-8


def test_a_random_head_and_demonstrations_that_score_0(demonstrations, tmp_path):
    file = write_rankings(tmp_path)
    given = {"model": str(TINY), "data": [str(file)], "demonstrations": [str(demonstrations)], "headStart": "random", "lora": {"rank": 2, "alpha": 4}, "output": str(tmp_path / "run"), "threads": 2}
    summary = run_gpu("reward", given)
    checkpoint = open_checkpoint(summary["checkpoint"])
    rows = [json.loads(line) for line in demonstrations.read_text().splitlines()]
    groups = [render_group(checkpoint.tokenizer, [{"role": "user", "content": row["prompt"]}], [row["response"]], 512) for row in rows]
    assert float(RewardModel.load(checkpoint, Machine()).score(groups).mean()) == pytest.approx(0, abs=1e-4)
    assert checkpoint.base_id == open_checkpoint(TINY).id
