"""The committed fixtures are what their scripts write: made again and compared."""

import gzip
import json
import sys

import numpy as np
from conftest import PARITY

sys.path.insert(0, str(PARITY))

import make_gguf_fixtures  # noqa: E402
import make_text_fixtures  # noqa: E402


def test_strings_and_conversations_come_out_again(parity_model, read_fixture, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make_text_fixtures.py", str(parity_model), str(tmp_path)])
    make_text_fixtures.main()
    assert json.loads(capsys.readouterr().out)["strings"] == 1000
    for name in ["strings", "conversations"]:
        assert json.loads(gzip.decompress((tmp_path / f"{name}.json.gz").read_bytes())) == read_fixture(name)


def test_dequantised_blocks_come_out_again(read_fixture):
    rng = np.random.default_rng(make_gguf_fixtures.SEED)
    assert make_gguf_fixtures.dequantise_fixture(rng) == read_fixture("dequantise")
