"""`attune-gpu worker`: takes runs from a server's queue, trains them here, and brings their checkpoints back (docs/worker-protocol.md).

Training is done by the main thread. Beside it one thread keeps the lease, one sends events, one uploads; none of them waits for a step.
"""

import contextlib
import hashlib
import json
import os
import platform
import queue
import shutil
import sys
import threading
import time
import traceback
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path

import torch

from attune_gpu import __version__
from attune_gpu.checkpoint import MANIFEST
from attune_gpu.config import read_config
from attune_gpu.errors import AttuneError, CheckpointError, ConfigError, GuardRailError, MachineError, PausedError, RunFolderError, UnfitBaseError, UnfitDataError
from attune_gpu.machine import Machine, threads_of
from attune_gpu.protocol_client import LOCAL, Client, Refused
from attune_gpu.run_folder import checkpoint_folder
from attune_gpu.run_loop import Hooks
from attune_gpu.safetensors_file import file_sha256
from attune_gpu.stages import run
from attune_gpu.worker_reports import LONGEST, log, to_protocol_events

# A run of the stage pretrain may want a tokenizer made, which is not done here (docs/gpu.md): it is taken where asked for alone.
DEFAULT_STAGES = ("sft", "reward", "ppo")
GATHER_SECONDS = 0.4  # metrics of quick steps go together
MOST_EVENTS, MOST_MESSAGE_BYTES = 1000, 4 * 2**20 - 10_000
UNFIT = (ConfigError, UnfitDataError, UnfitBaseError, CheckpointError, RunFolderError)
# There is no use in going on.
FATAL = {"unauthorized", "protocolVersion"}


class LeaseLost(Exception):
    """The run is another's by now: nothing more is sent about it."""


class Cancelled(Exception):
    """As ordered: stop at once."""


class Lease:
    """Says that the run is worked on, and hears what is to be done with it."""

    def __init__(self, client: Client, offer: dict):
        self.client, self.offer = client, offer
        self.order, self.progress = "continue", {}
        self.failure: Exception | None = None  # why it is lost
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)
        self.thread.start()

    def post(self, at: str, body: dict) -> dict:
        try:
            return self.client.post(f"runs/{self.offer['id']}/{at}", {"fencing": self.offer["fencing"], **body})
        except Refused as refusal:
            if refusal.code in {"leaseLost", "gone", *FATAL}:
                self.failure = self.failure or refusal
            raise

    def check(self) -> None:
        """Called at every event of a stage, by the thread that trains."""
        if self.failure is not None:
            raise LeaseLost(str(self.failure)) from self.failure
        if self.order == "cancel":
            raise Cancelled

    def _beat(self) -> None:
        while not self.done.wait(self.offer["heartbeatSeconds"]):
            # What is wrong is met by the thread that trains, at its next step.
            with contextlib.suppress(Exception):
                self.order = self.post("heartbeat", self.progress)["order"]

    def end(self) -> None:
        self.done.set()
        self.thread.join(timeout=5)


class EventOutbox:
    """What is to be reported, numbered, and kept until the server has it."""

    def __init__(self, lease: Lease):
        self.lease, self.next, self.kept = lease, lease.offer["nextSequence"], []
        self.lock, self.sending, self.done = threading.Lock(), threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def add(self, event: dict) -> None:
        with self.lock:
            self.kept.append({**event, "sequence": self.next})
            self.next += 1

    def drain(self) -> None:
        """Returns when everything added so far is stored."""
        with self.sending:
            while batch := self._batch():
                try:
                    expected = self.lease.post("events", {"events": batch, **self._total()})["nextSequence"]
                except Refused as refusal:
                    if refusal.code != "eventGap":
                        raise
                    expected = int(refusal.facts["expected"])
                    if expected < batch[0]["sequence"]:
                        raise AttuneError(f"The server waits for event {expected}, which was acknowledged and is gone.") from refusal
                with self.lock:
                    self.kept = [event for event in self.kept if event["sequence"] >= expected]

    def _total(self) -> dict:
        total = self.lease.progress.get("totalSteps")
        return {} if total is None else {"totalSteps": total}

    def _batch(self) -> list[dict]:
        """As many as fit one message; always one."""
        size, batch = 0, []
        with self.lock:
            for event in self.kept[:MOST_EVENTS]:
                size += len(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace"))
                if batch and size > MOST_MESSAGE_BYTES:
                    break
                batch.append(event)
        return batch

    def _work(self) -> None:
        while not self.done.wait(GATHER_SECONDS):
            with contextlib.suppress(Exception):  # whoever drains meets it
                self.drain()

    def end(self) -> None:
        self.done.set()
        self.thread.join(timeout=5)


class UploadQueue:
    """Saved checkpoints on their way to the server while training goes on. Of those that wait, only the newest and the best are worth sending."""

    def __init__(self, lease: Lease, outbox: EventOutbox, folder: Path):
        self.lease, self.outbox, self.folder, self.count = lease, outbox, folder, 0
        self.waiting: list[dict] = []
        self.lock, self.sending, self.wake = threading.Lock(), threading.Lock(), queue.Queue()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def add(self, saved: dict) -> None:
        """Takes a checkpoint over; when this returns its folder may go."""
        folder = self.folder / str(self.count)
        self.count += 1
        shutil.copytree(saved["folder"], folder, copy_function=os.link)
        with self.lock:
            kept = [each for each in self.waiting if each["isBest"] and not saved["isBest"]]
            for passed in self.waiting:
                if passed not in kept:
                    shutil.rmtree(passed["folder"], ignore_errors=True)
            self.waiting = [*kept, {**saved, "folder": str(folder)}]
        self.wake.put(True)

    def drain(self) -> None:
        """Returns when nothing waits any more."""
        with self.sending:
            while True:
                with self.lock:
                    if not self.waiting:
                        return
                    saved = self.waiting.pop(0)
                started = time.perf_counter()
                try:
                    self._upload_when_there_is_room(saved)
                except Exception:
                    with self.lock:
                        self.waiting.insert(0, saved)
                    raise
                self.outbox.add({"type": "phase", "name": "upload", "seconds": time.perf_counter() - started, "step": saved["step"]})
                shutil.rmtree(saved["folder"], ignore_errors=True)

    def _work(self) -> None:
        while self.wake.get():
            with contextlib.suppress(Exception):  # whoever drains meets it
                self.drain()

    def _upload_when_there_is_room(self, saved: dict) -> None:
        for tries in range(10_000):
            try:
                return self._upload(Path(saved["folder"]), saved)
            except Refused as refusal:
                if refusal.code != "diskFull":
                    raise
                if tries == 0:
                    self.outbox.add({"type": "incident", "what": "diskFull", "text": str(refusal)[: LONGEST["incident"]], "step": saved["step"]})
                wait_until(time.monotonic() + min(60, 2**tries), self.lease.check)

    def _upload(self, folder: Path, saved: dict) -> None:
        state = {f"state/{file.name}": {"sha256": file_sha256(file), "sizeBytes": file.stat().st_size} for file in sorted((folder / "state").glob("*"))}
        request = {"step": saved["step"], "isBest": saved["isBest"], "manifest": (folder / MANIFEST).read_text("utf-8"), "state": state}
        while True:
            opened = self.lease.post("uploads", request)
            if opened["isComplete"]:
                return
            for file, parts in opened["missing"].items():
                for part in parts:
                    self._send_part(opened["uploadId"], folder / file, file, part, opened["partBytes"])
            # What led to a checkpoint is known before the checkpoint is: whoever goes on from it reports what comes after.
            self.outbox.drain()
            try:
                self.lease.client.post(f"uploads/{opened['uploadId']}/complete", {"fencing": self.lease.offer["fencing"]})
                return
            except Refused as refusal:
                if refusal.code not in ("sha256Mismatch", "incomplete"):
                    raise

    def _send_part(self, upload_id: str, path: Path, file: str, part: int, size: int) -> None:
        with open(path, "rb") as content:
            content.seek(part * size)
            piece = content.read(size)
        query = urllib.parse.urlencode({"file": file, "part": part, "fencing": self.lease.offer["fencing"]})
        try:
            self.lease.client.put(f"uploads/{upload_id}/parts?{query}", piece)
        except Refused as refusal:
            if refusal.code != "sha256Mismatch":  # damaged on the way: what is missing is asked for again
                raise

    def end(self) -> None:
        self.wake.put(False)
        self.thread.join(timeout=5)


class WorkFolder:
    """A folder for the run in hand, removed when its lease ends; checkpoint files are kept by their sha256."""

    def __init__(self, root: Path):
        self.root, self.path = root, root / f"{os.getpid()}-{uuid.uuid4()}"

    def begin(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for left in self.root.iterdir():  # a person's data, of processes that are gone
            pid = left.name.partition("-")[0]
            if pid.isdigit() and not Path(f"/proc/{pid}").exists():
                shutil.rmtree(left, ignore_errors=True)
        self.end()
        self.path.mkdir()

    def end(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def fetch_checkpoint(self, client: Client, offer: dict, target: Path, with_state: bool) -> None:
        for name, file in offer["files"].items():
            if name.startswith("state/") and not with_state:
                continue
            kept = self.root / "files" / file["sha256"]
            if not kept.exists():
                client.download(f"checkpoints/{offer['id']}/files/{urllib.parse.quote(name)}", kept, file["sha256"])
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).unlink(missing_ok=True)
            os.link(kept, target / name)

    def forget_others(self, offer: dict) -> None:
        scoring = [each for model in offer["rewardModels"] for each in (model["checkpoint"], model["lineageBase"])]
        offers = [offer["base"], offer["lineageBase"], offer["resume"], offer["best"], *scoring]
        needed = {file["sha256"] for each in offers if each for file in each["files"].values()}
        for file in (self.root / "files").glob("*"):
            if file.name not in needed:
                file.unlink()

    def data_file(self, dataset_id: str) -> Path:
        return self.path / "data" / f"{dataset_id}.jsonl"

    def fetch_dataset(self, client: Client, dataset: dict) -> str:
        """Each row is compared with the manifest."""
        file = self.data_file(dataset["id"])
        client.download(f"datasets/{dataset['id']}/rows", file, None)
        manifest = client.text(f"datasets/{dataset['id']}/hashes")
        if hashlib.sha256(manifest).hexdigest() != dataset["sha256"]:
            raise AttuneError(f"The manifest of dataset “{dataset['name']}” is not the one of {dataset['sha256']}.")
        hashes = manifest.decode().rstrip().split("\n")
        rows = file.read_bytes().removesuffix(b"\n").split(b"\n") if dataset["rowCount"] else []
        if len(rows) != dataset["rowCount"]:
            raise AttuneError(f"Dataset “{dataset['name']}” arrived with {len(rows)} rows instead of {dataset['rowCount']}.")
        for number, (row, expected) in enumerate(zip(rows, hashes, strict=True)):
            # An erased row is empty, and keeps its number.
            if row and hashlib.sha256(row).hexdigest() != expected:
                raise AttuneError(f"Row {number} of dataset “{dataset['name']}” arrived with another sha256 than its manifest names.")
        return str(file)


def fetch_inputs(client: Client, offer: dict, work: WorkFolder) -> dict:
    """Base, checkpoints to go on from, and data in their places. Returns the stage's settings, files named."""
    output, base = work.path / "run", work.path / "base"
    work.forget_others(offer)
    if offer["base"]:
        work.fetch_checkpoint(client, offer["base"], base, with_state=False)
    if offer["lineageBase"]:
        work.fetch_checkpoint(client, offer["lineageBase"], base / "base", with_state=False)
    for checkpoint in (offer["best"], offer["resume"]):
        if checkpoint:
            target = checkpoint_folder(output / "checkpoints", checkpoint["step"] or 0)
            work.fetch_checkpoint(client, checkpoint, target, with_state=checkpoint is offer["resume"])
    files: dict[str, list[str]] = {"data": [], "pretrainMix": []}
    for dataset in offer["datasets"]:
        files[dataset["role"]].append(work.fetch_dataset(client, dataset))
    given = {**offer["config"], "name": offer["name"], "output": str(output), "data": files["data"]}
    if offer["stage"] == "pretrain":
        return {**given, "tokenizer": given.get("tokenizer") or str(base)}
    given["model"] = str(base)
    if offer["stage"] == "sft":
        given["pretrainMix"] = given["pretrainMix"] and {**given["pretrainMix"], "data": files["pretrainMix"]}
    if offer["stage"] == "ppo":
        given["ptx"] = given["ptx"] and {**given["ptx"], "data": files["pretrainMix"]}
        given |= _fetch_reward_models(client, offer, work)
    return given


def _fetch_reward_models(client: Client, offer: dict, work: WorkFolder) -> dict:
    folders: dict[str, list[str]] = {"score": [], "judge": []}
    for model in offer["rewardModels"]:
        target = work.path / "reward-models" / model["checkpoint"]["id"]
        work.fetch_checkpoint(client, model["checkpoint"], target, with_state=False)
        if model["lineageBase"]:
            work.fetch_checkpoint(client, model["lineageBase"], target / "base", with_state=False)
        folders[model["role"]].append(str(target))
    # The server has asked about failed probes.
    settings: dict = {"rewardModels": folders["score"], "acceptFailedProbes": True}
    for judge in folders["judge"]:
        part = {"type": "rewardModel", "name": "judge", "weight": 0, "model": judge}
        settings |= {"judge": "judge", "parts": [*offer["config"].get("parts", []), part]}
    return settings


class HeldRun:
    """One claimed run, from its downloads to its end."""

    def __init__(self, client: Client, offer: dict, work: WorkFolder, machine: Machine, is_stopping: Callable[[], bool], say: Callable[[str], None]):
        self.client, self.offer, self.work, self.machine, self.is_stopping, self.say = client, offer, work, machine, is_stopping, say
        self.lease = Lease(client, offer)
        self.outbox = EventOutbox(self.lease)
        self.uploads = UploadQueue(self.lease, self.outbox, work.path / "outgoing")
        client.on_outage = lambda seconds: self.outbox.add({
            "type": "incident", "what": "connectionLost",
            "text": f"The server could not be reached for {seconds:.1f} s. Training went on meanwhile, and nothing was lost.",
        })  # fmt: skip

    def train(self) -> None:
        """Raises LeaseLost where the run is another's by now, whatever was being said of it."""
        try:
            self._train_or_explain()
        except Refused as refusal:
            if self.lease.failure is None:
                raise
            raise LeaseLost(str(refusal)) from self.lease.failure

    def _train_or_explain(self) -> None:
        try:
            self._train()
        except Cancelled:
            self._end("release", {"outcome": "cancelled"})
        except LeaseLost:
            raise
        except PausedError as paused:
            self._pause(paused)
        except UNFIT as unfit:
            self._fail("unfit", str(unfit))
        except MachineError as error:
            self._fail("infrastructure", str(error))
        except Refused as refusal:
            if self.lease.failure is not None:
                raise LeaseLost(str(refusal)) from refusal
            self._fail("code", str(refusal))
        except AttuneError as error:
            self._fail("code", str(error))
        except Exception as error:
            is_local = isinstance(error, OSError) and error.errno in LOCAL
            self._fail("infrastructure" if is_local else "code", str(error) if is_local else traceback.format_exc())

    def _train(self) -> None:
        offer = self.offer
        self.say(f"Run {offer['number']} ({offer['name']}, {offer['stage']}) is in hand.")
        started = time.perf_counter()
        config = read_config(offer["stage"], fetch_inputs(self.client, offer, self.work))
        self.outbox.add({"type": "phase", "name": "load", "seconds": time.perf_counter() - started})
        if self.machine.device.type == "cpu":
            torch.set_num_threads(threads_of(config))
        hooks = Hooks(
            on_event=self._note,
            on_saved=self.uploads.add,
            is_stopping=lambda: self.is_stopping() or self.lease.order == "pause",
            facts=offer["facts"],
        )
        summary = run(offer["stage"], config, self.machine, hooks)
        self.lease.check()
        self._report()
        if summary["finished"]:
            return self._end("complete", describe_end(summary))
        is_ordered = self.lease.order == "pause"
        self._end("release", {"outcome": "paused" if is_ordered else "stopping"})

    def _note(self, event: dict) -> None:
        self.lease.check()
        if event["type"] == "step":
            self.lease.progress = {"step": event["step"] + 1, "totalSteps": event["totalSteps"]}
        for each in to_protocol_events(event):
            self.outbox.add(each)

    def _pause(self, paused: PausedError) -> None:
        text = (paused.finding if isinstance(paused, GuardRailError) else str(paused))[: LONGEST["incident"]]
        if isinstance(paused, GuardRailError):
            self.outbox.add({"type": "incident", "what": "guardRail", "text": text, "rule": paused.rule, **_step_of(self.lease)})
        self._report()
        self._end("release", {"outcome": "paused", "reason": text})

    def _fail(self, cause: str, reason: str) -> None:
        # People know a dataset by its name, and not the file that this machine keeps it in.
        for dataset in self.offer["datasets"]:
            reason = reason.replace(str(self.work.data_file(dataset["id"])), dataset["name"])
        self.outbox.add(log("error", reason))
        with contextlib.suppress(AttuneError):
            self._report()
        self._end("fail", {"cause": cause, "reason": reason[-LONGEST["log"] :]})

    def _report(self) -> None:
        """Everything that was saved and told is there before the end is."""
        self.uploads.drain()
        self.outbox.drain()

    def _end(self, how: str, body: dict) -> None:
        self.say(f"Run {self.offer['number']} is {self.lease.post(how, body)['status']}.")

    def close(self) -> None:
        for part in (self.lease, self.outbox, self.uploads):
            part.end()
        self.client.on_outage = lambda seconds: None


def _step_of(lease: Lease) -> dict:
    return {"step": lease.progress["step"]} if "step" in lease.progress else {}


def describe_end(summary: dict) -> dict:
    """The checkpoint that the run is for, by its id, and what there is to say about it."""
    manifest = (Path(summary["checkpoint"]) / MANIFEST).read_bytes()
    keys = ("steps", "totalSteps", "validationLossBefore", "validationLoss", "heldOutScoreBefore", "heldOutScore", "heldOutKl")
    return {"checkpointId": hashlib.sha256(manifest).hexdigest(), "summary": {key: summary[key] for key in keys if key in summary}}


def claim_request(machine: Machine, session: str, stages: tuple[str, ...]) -> dict:
    about = machine.describe()
    device_count = about["deviceCount"] if about["device"] == "gpu" else 0
    versions = {"attune-gpu": __version__, "torch": torch.__version__, "python": platform.python_version()}
    if "name" in about:
        versions["gpu"] = about["name"]
    capabilities = {"device": about["device"], "deviceCount": device_count, "memoryBytes": about["memoryBytes"], "threads": threads_of({"threads": None})}
    return {"session": session, "stages": list(stages), "capabilities": capabilities, "versions": versions}


def wait_until(deadline: float, check: Callable[[], None]) -> None:
    while time.monotonic() < deadline:
        check()
        time.sleep(0.1)


class Stopping(Exception):
    """The worker is to end while it waits for the server."""


def run_worker(
    url: str,
    token: str,
    machine: Machine,
    *,
    root: Path,
    is_stopping: Callable[[], bool],
    stages: tuple[str, ...] = DEFAULT_STAGES,
    runs: int | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> None:
    """Until it is stopped, or has done so many runs. Raises Refused where there is no use in going on."""
    session, work, done = str(uuid.uuid4()), WorkFolder(root), 0
    client = Client(url, token)
    client.on_lost = lambda reason: say(f"The server cannot be reached ({reason}). It is tried again for as long as it takes.")

    def stop_waiting() -> None:
        if is_stopping():
            raise Stopping

    while not is_stopping() and (runs is None or done < runs):
        client.may_go_on = stop_waiting
        try:
            answer = client.post("claim", claim_request(machine, session, stages))
            if answer["run"] is None:
                wait_until(time.monotonic() + answer["retryAfterSeconds"], stop_waiting)
                continue
        except Stopping:
            break
        client.may_go_on = lambda: None  # what was saved is brought in before it ends
        work.begin()
        held = HeldRun(client, answer["run"], work, machine, is_stopping, say)
        try:
            held.train()
        except LeaseLost as lost:
            cause = lost.__cause__
            if isinstance(cause, Refused) and cause.code in FATAL:
                raise cause from lost
            say(f"Run {answer['run']['number']} is not this worker's any more: {lost}")
        finally:
            held.close()
            work.end()  # a person's rows may have been erased since
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        done += 1
