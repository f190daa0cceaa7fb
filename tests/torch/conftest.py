"""What the tests of this folder share: the parity model, the fixtures, and Attune's own importer."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARITY = ROOT / "tests" / "fixtures" / "parity"


@pytest.fixture(scope="session")
def parity_model() -> Path:
    """The checkpoint folder that Attune's importer wrote; `npm run test:torch` says where it is."""
    return Path(os.environ["ATTUNE_PARITY_MODEL"])


@pytest.fixture(scope="session")
def read_fixture():
    return lambda name: json.loads(gzip.decompress((PARITY / f"{name}.json.gz").read_bytes()))


@pytest.fixture(scope="session")
def import_gguf(tmp_path_factory):
    """Imports a GGUF file with the compiled command line and returns the checkpoint folder."""

    def run(gguf: Path) -> Path:
        data = tmp_path_factory.mktemp("data")
        command = [os.environ.get("ATTUNE_NODE", "node"), ROOT / "dist" / "attune.js", "models", "pull", gguf]
        subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "ATTUNE_DATA": str(data)})
        (folder,) = [path.parent for path in data.glob("models/*/attune.json")]
        return folder

    return run
