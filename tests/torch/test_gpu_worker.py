"""The GPU worker against a real server: runs there and back, orders, cut networks, kills, and refusals in clear words."""

import hashlib
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from attune_gpu import protocol_client
from attune_gpu.checkpoint import verify_checkpoint
from attune_gpu.cli import main
from attune_gpu.language_model import LanguageModelTrainer
from attune_gpu.machine import Machine
from attune_gpu.protocol_client import Client, Refused
from attune_gpu.worker import Lease, run_worker
from attune_gpu.worker_reports import to_protocol_events
from command_line import NODE, ROOT
from gpu_runs import distance, run_gpu
from runs import NOUNS, TINY

LIMIT_SECONDS = 180  # of any wait: a busy machine takes its time
ROWS = [{"prompt": f"Say {noun}", "response": noun.upper()} for noun in NOUNS]
CONFIG = {"rowLength": 64, "rowsPerBatch": 2, "epochs": 2, "lora": {"rank": 4, "alpha": 8}, "lr": 3e-3, "epsilon": 1e-5, "validationShare": 0.2, "saveEverySteps": 1, "sampleTokens": 4}


class Process:
    """worker-server.ts, one for all tests of this file."""

    def __init__(self, folder: Path):
        shutil.copytree(TINY, folder / "models" / "tiny")
        command = [NODE, "--import", "tsx", "tests/torch/worker-server.ts", str(folder)]
        environment = {**os.environ, "ATTUNE_LEASE_SECONDS": "5", "ATTUNE_DATA": str(folder), "LOG_LEVEL": "silent"}
        self.child = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.folder, self.url = folder, json.loads(self.child.stdout.readline())["url"]


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    process = Process(tmp_path_factory.mktemp("server"))
    yield process
    process.child.kill()
    process.child.wait()


class Server:
    """A queued run of its own, and a token for it."""

    def __init__(self, process: Process, rows=ROWS, config=CONFIG):
        self.child, self.folder, self.url = process.child, process.folder, process.url
        self.token = self.ask(json.dumps({"config": config, "rows": rows}))["token"]

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        # The next test's worker is to find its own run.
        self.ask("up")
        self.ask("cancel")

    def ask(self, command: str) -> dict:
        self.child.stdin.write(command + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def until(self, holds) -> dict:
        """What the run is once it is so."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while not holds(seen := self.ask("run")):
            assert time.monotonic() < deadline, seen["run"]
            time.sleep(0.1)
        return seen

    def status(self, wanted: str) -> dict:
        return self.until(lambda seen: seen["run"]["status"] == wanted)


class Worker:
    """In a thread of this process; `stop` is what a signal would do."""

    def __init__(self, server: Server, root: Path, **options):
        self.stopping, self.error, self.said = threading.Event(), None, []
        arguments = {"root": root, "is_stopping": self.stopping.is_set, "runs": 1, "say": self.said.append, **options}

        def work():
            try:
                run_worker(server.url, server.token, Machine(), **arguments)
            except Exception as error:
                self.error = error

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        self.stopping.set()
        self.thread.join(LIMIT_SECONDS)
        assert not self.thread.is_alive()

    def wait(self) -> None:
        self.thread.join(LIMIT_SECONDS)
        assert not self.thread.is_alive(), self.said


@pytest.fixture
def gate(monkeypatch):
    """The third step waits until it is let through."""
    reached, opened = threading.Event(), threading.Event()
    step = LanguageModelTrainer.step

    def wait(trainer, batches, number, lr, accepts):
        if number == 2:
            reached.set()
            assert opened.wait(LIMIT_SECONDS)
        return step(trainer, batches, number, lr, accepts)

    monkeypatch.setattr(LanguageModelTrainer, "step", wait)
    yield reached, opened
    opened.set()


def checkpoints_of(server: Server) -> list[Path]:
    return sorted((server.folder / "artifacts" / "checkpoints").glob("*/"))


def events_of(seen: dict, kind: str) -> list[dict]:
    return [event for event in seen["events"] if event["kind"] == kind]


def test_a_run_goes_to_the_worker_and_comes_back_as_a_checkpoint(process, tmp_path):
    with Server(process) as server, Worker(server, tmp_path / "worker") as worker:
        worker.wait()
        assert worker.error is None, worker.said
        seen = server.status("finished")
        registered = seen["worker"]
        assert registered["name"] == "GPU" and "torch" in registered["versions"] and registered["capabilities"]["device"] == "cpu"
        values = [metric["values"] for metric in seen["metrics"]]
        assert sum("loss" in each for each in values) == seen["run"]["totalSteps"] > 2
        assert {"validationLoss", "tokensSeen", "memoryBytes", "gradientSeconds"} <= {name for each in values for name in each}
        assert events_of(seen, "sample")
        assert {"load", "evaluate", "upload"} <= {event["payload"].get("name") for event in events_of(seen, "phase")}
        # Nothing of anybody's data stays here.
        assert [folder.name for folder in (tmp_path / "worker").iterdir()] == ["files"]
        folders = checkpoints_of(server)
        for folder in folders:
            verify_checkpoint(folder)
        # It is the checkpoint of the same run without a server.
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        local = run_gpu("sft", {**CONFIG, "model": str(TINY), "data": [str(data)], "output": str(tmp_path / "local"), "threads": seen["run"]["config"]["threads"]})
        manifest = json.loads((Path(local["checkpoint"]) / "attune.json").read_text())
        same = [folder for folder in folders if json.loads((folder / "attune.json").read_text())["files"] == manifest["files"]]
        assert len(same) == 1 and distance(same[0], Path(local["checkpoint"])) == 0


def test_a_pause_saves_and_another_worker_goes_on_from_there(process, tmp_path, gate):
    reached, opened = gate
    with Server(process) as server:
        with Worker(server, tmp_path / "worker") as worker:
            assert reached.wait(LIMIT_SECONDS)
            server.ask("pause")
            # The order comes with a heartbeat, while the step goes on.
            time.sleep(3)
            opened.set()
            worker.wait()
            assert worker.error is None
        paused = server.status("paused")["run"]
        assert 0 < paused["step"] < paused["totalSteps"]
        server.ask("resume")
        with Worker(server, tmp_path / "another") as worker:
            worker.wait()
        seen = server.status("finished")
        texts = [event["payload"].get("text", "") for event in events_of(seen, "log")]
        assert any(text.startswith("Going on after step") for text in texts), texts


def test_a_cancelled_run_stops_at_once(process, tmp_path, gate):
    reached, opened = gate
    with Server(process) as server, Worker(server, tmp_path / "worker") as worker:
        assert reached.wait(LIMIT_SECONDS)
        server.ask("cancel")
        time.sleep(3)
        opened.set()
        worker.wait()
        run = server.status("cancelled")["run"]
        assert worker.error is None and run["step"] <= 3


def test_a_worker_that_is_to_end_gives_the_run_back_saved(process, tmp_path, gate):
    reached, opened = gate
    with Server(process) as server, Worker(server, tmp_path / "worker") as worker:
        assert reached.wait(LIMIT_SECONDS)
        worker.stopping.set()
        opened.set()
        worker.wait()
        run = server.status("queued")["run"]
        assert run["step"] == 3 and run["attempts"] == 0


def test_a_cut_network_costs_nothing_and_is_told(process, tmp_path, gate):
    reached, opened = gate
    with Server(process) as server, Worker(server, tmp_path / "worker") as worker:
        assert reached.wait(LIMIT_SECONDS)
        server.ask("down")
        opened.set()
        time.sleep(4)  # shorter than the lease
        server.ask("up")
        worker.wait()
        assert worker.error is None, worker.error
        seen = server.status("finished")
        incidents = [event["payload"] for event in events_of(seen, "incident")]
        assert any(incident["what"] == "connectionLost" for incident in incidents), incidents


def test_a_revoked_worker_is_told_and_ends(process, tmp_path, gate):
    reached, opened = gate
    with Server(process) as server, Worker(server, tmp_path / "worker") as worker:
        assert reached.wait(LIMIT_SECONDS)
        server.ask("revoke")
        opened.set()
        worker.wait()
        assert isinstance(worker.error, Refused) and worker.error.code == "unauthorized"
        assert "missing, wrong or revoked" in str(worker.error)


def test_a_killed_worker_goes_on_from_its_last_checkpoint(process, tmp_path):
    command = [sys.executable, "-m", "attune_gpu", "worker", "--device", "cpu", "--runs", "1", "--folder", str(tmp_path / "worker")]
    with Server(process, config={**CONFIG, "epochs": 12}) as server:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "model" / "gpu"), "ATTUNE_WORKER_TOKEN": server.token}
        first = subprocess.Popen([*command, "--url", server.url], env=environment, stderr=subprocess.DEVNULL)
        try:
            server.until(lambda seen: len(events_of(seen, "checkpoint")) >= 2)
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        second = subprocess.run([*command, "--url", server.url], env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        assert second.returncode == 0, second.stderr
        seen = server.status("finished")
        assert any(event["payload"].get("text", "").startswith("Going on after step") for event in events_of(seen, "log"))
        assert seen["run"]["attempts"] == 0
        # What the killed process left of a person's data is gone.
        assert [folder.name for folder in (tmp_path / "worker").iterdir()] == ["files"]


def test_unfit_data_fail_the_run_with_the_line_and_the_name_of_the_dataset(process, tmp_path):
    long = [{"prompt": "word " * 400, "response": "x"}] * 6
    with Server(process, rows=long) as server, Worker(server, tmp_path / "worker") as worker:
        worker.wait()
        run = server.status("failed")["run"]
        assert "No demonstration is left to train on" in run["reason"] and "Answers:1 takes" in run["reason"] and str(tmp_path) not in run["reason"]


def test_a_base_that_arrives_damaged_is_refused_after_three_tries(process, tmp_path):
    with Server(process) as server:
        file = server.folder / "models" / "tiny" / "tokenizer.json"
        content = bytearray(file.read_bytes())
        content[50] ^= 1
        file.write_bytes(content)
        with Worker(server, tmp_path / "worker") as worker:
            worker.wait()
            content[50] ^= 1
            file.write_bytes(content)
        seen = server.ask("run")
        assert seen["run"]["attempts"] == 1
        assert "arrived three times with another sha256 than" in json.dumps(seen["events"])


def test_a_wrong_token_another_version_and_no_server_are_said_plainly(process, tmp_path, capsys, monkeypatch):
    with Server(process) as server:
        common = ["worker", "--url", server.url, "--device", "cpu", "--folder", str(tmp_path / "worker")]
        assert main([*common, "--token", "atw_" + "x" * 43]) == 1
        assert "missing, wrong or revoked" in capsys.readouterr().err
        monkeypatch.setattr(protocol_client, "PROTOCOL_VERSION", 2)
        assert main([*common, "--token", server.token]) == 1
        assert "speaks version 1 of the worker protocol; the worker speaks 2" in capsys.readouterr().err
    assert main(["worker", "--url", "example.org", "--token", "t", "--device", "cpu"]) == 1
    assert "give the server's address" in capsys.readouterr().err
    monkeypatch.delenv("ATTUNE_WORKER_TOKEN", raising=False)
    assert main(["worker", "--url", "http://127.0.0.1:1"]) == 2


def test_a_download_that_was_cut_is_taken_up_where_it_ended(process, tmp_path):
    with Server(process) as server:
        client = Client(server.url, server.token)
        run = client.post("claim", {"session": "0" * 8 + "-0000-4000-8000-" + "0" * 12, "stages": ["sft"], "capabilities": {"device": "cpu", "memoryBytes": 1, "threads": 1}})["run"]
        sha256 = run["base"]["files"]["model.safetensors"]["sha256"]
        file = tmp_path / "model.safetensors"
        whole = (TINY / "model.safetensors").read_bytes()
        file.with_name("model.safetensors.part").write_bytes(whole[:1000])
        client.download(f"checkpoints/{run['base']['id']}/files/model.safetensors", file, sha256)
        assert file.read_bytes() == whole
        # A wrong beginning is noticed, and fetched anew.
        file.with_name("model.safetensors.part").write_bytes(b"x" * 1000)
        client.download(f"checkpoints/{run['base']['id']}/files/model.safetensors", file, sha256)
        assert file.read_bytes() == whole


def test_what_is_no_number_and_what_is_too_long_is_told_as_the_protocol_takes_it():
    (told,) = to_protocol_events({"type": "iteration", "step": 0, "metrics": {"score": float("nan"), "part.a\nb": 1.0}, "seconds": {"update": 2.0}})
    assert told == {"type": "metrics", "step": 1, "values": {"score": None, "part.a b": 1.0, "updateSeconds": 2.0}}
    (told,) = to_protocol_events({"type": "note", "level": "info", "text": "x" * 20_000})
    assert len(told["text"]) == 16_000


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that is no Attune: by path."""

    whole = b"0123456789" * 1000
    asked: list[tuple[str, str | None]] = []

    def do_GET(self):
        """Sends a part of the file each time, and cuts the connection."""
        start = int((self.headers["range"] or "bytes=0-")[6:-1])
        self.asked.append((self.path, self.headers["range"]))
        self.send_response(206 if start else 200)
        self.send_header("content-length", str(len(self.whole) - start))
        self.end_headers()
        self.wfile.write(self.whole[start : start + 3000])

    def do_POST(self):
        self.asked.append((self.path, self.headers["authorization"]))
        self.send_response(302 if "moved" in self.path else 200)
        self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def stranger():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Answers.asked.clear()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_connection_that_is_cut_again_and_again_costs_nothing_of_what_has_come(stranger, tmp_path):
    """Python tells a cut from an end by the length alone; four of them are no wrong sha256."""
    told = []
    client = Client(stranger, "t")
    client.on_lost = told.append
    client.download("file", tmp_path / "file", hashlib.sha256(Answers.whole).hexdigest())
    assert (tmp_path / "file").read_bytes() == Answers.whole
    assert [start for _, start in Answers.asked] == [None, "bytes=3000-", "bytes=6000-", "bytes=9000-"]
    assert len(told) == 1 and "IncompleteRead" in told[0]


def test_a_redirect_is_not_given_the_token_and_another_server_is_told(stranger):
    with pytest.raises(Refused, match=r"sends on to http://127.0.0.1:\d+/elsewhere.*as --url"):
        Client(stranger, "t").post("moved", {})
    assert [path for path, _ in Answers.asked] == ["/api/worker/moved"]
    with pytest.raises(Refused, match="what no Attune says: b'<html>'"):
        Client(stranger, "t").post("claim", {})


def test_a_lease_that_is_lost_while_the_end_is_told_ends_the_run_and_not_the_worker(process, tmp_path, gate, monkeypatch):
    """The run was given to another worker: to say that it failed here is refused, and the next run is claimed."""
    reached, opened = gate
    with Server(process) as server, Worker(server, tmp_path / "worker") as worker:
        assert reached.wait(LIMIT_SECONDS)
        post = Lease.post

        def refuse_end(lease, at, body):
            if at == "fail":
                lease.failure = Refused("leaseLost", "The run is another's.", {})
                raise lease.failure
            return post(lease, at, body)

        monkeypatch.setattr(Lease, "post", refuse_end)
        monkeypatch.setattr(LanguageModelTrainer, "evaluate", lambda *arguments: 1 / 0)
        opened.set()
        worker.wait()
        assert worker.error is None and "not this worker's any more: The run is another's." in worker.said[-1]
