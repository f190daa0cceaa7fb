"""`attune-gpu eval` beside `npx attune eval`: the same suites, the same scores, the same report."""

import json
import subprocess
from pathlib import Path

import pytest
from attune_gpu.cli import main
from attune_gpu.errors import ConfigError, UnfitDataError
from attune_gpu.eval_suites import Suite, read_suite, score_response
from command_line import NODE, ROOT, attune
from runs import TINY

REFERENCES = ["The Eiffel Tower, in Paris", "Paris"]
RESPONSES = [
    "", "Paris.", "It is the tower in Paris, an old one", "1,234.50 and -7", "$5 then #### 12", "Not in the text", "I'm sorry, but I can’t help with that.",
    "- milk\n- tea & \"bread\" 3.5-4", "A blue fish said: it's 12 1e3 fish. The blue fish said it's here!", "12.0", "naïve Über café, the 2nd", "As an AI, I do not know.",
    "You’re nothing but trash, naïve one.", "Shut up, morons!", "That was a stupid mistake of mine, in Scunthorpe.",
]  # fmt: skip
RULES = [{"type": "words", "words": ["fish", "blue"]}, {"type": "length", "least": 2, "most": 6}, {"type": "format", "items": 2}, {"type": "noRepetition"}, {"type": "ending"}]
ITEMS = {
    "squad": {"references": [*REFERENCES, "Not in the text"]},
    "drop": {"references": [["12"], ["blue fish", "12"], ["Paris"], ["1,234.5"]]},
    "bleu": {"references": [*REFERENCES, "- milk\n- tea & \"bread\" 3.5-4 or so", "It is the old tower in Paris"]},
    "rougeL": {"references": [*REFERENCES, "The blue fish said: it's 12"]},
    "number": {"references": ["12", "-7"]},
    "rules": {"rules": RULES},
    "refusal": {"refuse": True},
    "toxicity": {},
}


def suite_of(metric: str) -> Suite:
    return Suite("s", "S", metric, {}, None, [], "Not in the text", "", [])


def test_every_metric_scores_as_the_typescript_engine_does():
    script = (
        'import { scoreResponse } from "@/model/eval/suites/score-item";'
        f"const items = {json.dumps(ITEMS)}, responses = {json.dumps(RESPONSES)};"
        "const all = Object.entries(items).map(([metric, item]) => [metric, responses.map((said) =>"
        ' scoreResponse(said, { id: "1", prompt: "p", ...item }, { metric, noAnswer: "Not in the text" }))]);'
        "console.log(JSON.stringify(Object.fromEntries(all)));"
    )
    printed = subprocess.run([NODE, "--import", "tsx", "--input-type=module", "-e", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    theirs = json.loads(printed)
    for metric, item in ITEMS.items():
        for said, expected in zip(RESPONSES, theirs[metric], strict=True):
            ours = score_response(said, {"id": "1", "prompt": "p", **item}, suite_of(metric))
            assert ours["values"] == pytest.approx(expected["values"], abs=1e-12), (metric, said)
            assert ours.get("counts") == expected.get("counts"), (metric, said)


def write_suite(folder: Path, metric: str, items: list[dict]) -> str:
    folder.mkdir()
    (folder / "suite.json").write_text(json.dumps({"name": folder.name, "title": folder.name, "metric": metric}))
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(folder)


def test_the_report_is_that_of_attune_eval_by_generation_and_by_likelihood(tmp_path, capsys):
    choices = [{"prompt": f"Say {noun}", "choices": ["a long green boat", noun, f"{noun} {noun}"], "answer": 1, "slice": noun[0]} for noun in ("dog", "cat", "cow", "fish", "bird", "key")]
    texts = [{"text": text} for text in ("Once there was a dog.", "The cat saw the moon, and the moon saw it.", "Key " * 200, "x!", "One day a bird sang.")]
    suites = [write_suite(tmp_path / "choose", "choice", choices), write_suite(tmp_path / "texts", "bitsPerByte", texts), "format"]
    settings = {"model": str(TINY), "suites": suites, "items": 6, "precision": "fp32", "parityResponses": 0, "threads": 2}
    for side, run in (("theirs", attune), ("ours", lambda *arguments: main([*map(str, arguments), "--device", "cpu"]))):
        file = tmp_path / f"{side}.json"
        # Ours stands beside theirs, and is no better: what was said is the same.
        against = [str(tmp_path / "theirs")] if side == "ours" else []
        file.write_text(json.dumps({**settings, "output": str(tmp_path / side), "against": against}))
        run("eval", "--config", file, "--json")
    (beside,) = json.loads(capsys.readouterr().out.splitlines()[-1])["against"]
    assert {delta["suite"]: delta["difference"]["value"] for delta in beside["deltas"]} == pytest.approx({"choose": 0, "texts": 0, "format": 0}, abs=1e-5)
    ours, theirs = (json.loads((tmp_path / side / "eval-report.json").read_text()) for side in ("ours", "theirs"))
    assert {**ours, "suites": 0, "madeAt": 0} == {**theirs, "suites": 0, "madeAt": 0}
    assert [(each["suite"], each["variant"]) for each in ours["suites"]] == [("choose", "zeroShot"), ("texts", "zeroShot"), ("format", "zeroShot"), ("format", "fewShot")]
    for own, other in zip(ours["suites"], theirs["suites"], strict=True):
        assert other == close(own), own["suite"]
    said = [[json.loads(line) for line in (tmp_path / side / "transcripts.jsonl").read_text().splitlines()] for side in ("ours", "theirs")]
    assert said[1] == close(said[0])


def close(value):
    """Numbers to four digits: sums in another order."""
    if isinstance(value, dict):
        return {key: close(each) for key, each in value.items()}
    if isinstance(value, list):
        return [close(each) for each in value]
    return pytest.approx(value, rel=1e-4, abs=1e-6) if isinstance(value, float) else value


def test_what_cannot_be_measured_here_is_said(tmp_path):
    with pytest.raises(ConfigError, match="measured by cases, which npx attune eval alone knows"):
        read_suite(Path(write_suite(tmp_path / "pinned", "cases", [])))
    with pytest.raises(UnfitDataError, match="items.jsonl:1 choices, answer: is missing"):
        read_suite(Path(write_suite(tmp_path / "unfit", "choice", [{"prompt": "p"}])))


def test_the_suites_of_the_package_are_those_that_ship():
    shipped, packed = ROOT / "model" / "suites", ROOT / "model" / "gpu" / "attune_gpu" / "suites"
    files = sorted(each.relative_to(shipped) for each in shipped.glob("*/*"))
    assert files == sorted(each.relative_to(packed) for each in packed.glob("*/*"))
    assert all((shipped / each).read_bytes() == (packed / each).read_bytes() for each in files), "cp -r model/suites/* model/gpu/attune_gpu/suites"
