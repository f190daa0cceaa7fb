"""Attune's compiled command line, called from Python."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NODE = os.environ.get("ATTUNE_NODE", "node")


def attune(*arguments, data: Path | None = None) -> str:
    """What it printed. `data` stands for the data folder."""
    return run_node("--enable-source-maps", ROOT / "dist" / "attune.js", *arguments, data=data)


def run_node(*arguments, data: Path | None = None) -> str:
    environment = {**os.environ, **({"ATTUNE_DATA": str(data)} if data else {})}
    command = [NODE, *map(str, arguments)]
    return subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True).stdout
