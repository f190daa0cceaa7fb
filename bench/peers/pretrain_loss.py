"""PyTorch's side of bench/pretrain-loss.ts: a run of ours, repeated; python pretrain_loss.py <settings as JSON> <start folder>."""

import json
import sys
import time
from pathlib import Path

import torch

# The second implementation that the tests of tests/torch hold ours against.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "torch"))
from reference.training import ReferenceRun  # noqa: E402

settings = json.loads(Path(sys.argv[1]).read_text())
torch.set_num_threads(settings["threads"])
run = ReferenceRun(settings, Path(sys.argv[2]))
before = run.evaluate()
start = time.perf_counter()
run.train()
seconds = time.perf_counter() - start
print(json.dumps({"before": before, "after": run.evaluate(), "seconds": seconds}))
