"""One process per run folder, of either language: the lock file of model/checkpoint/folder-lock.ts."""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from attune_gpu.errors import RunFolderError

FOREIGN_STALE_SECONDS = 15 * 60  # longer than any step: while one is computed, nothing can be touched
HEARTBEAT_SECONDS = 10


@contextlib.contextmanager
def folder_lock(file: Path, purpose: str) -> Iterator[None]:
    own = {
        "pid": os.getpid(),
        "startTime": process_start_time(os.getpid()) or "unknown",
        "host": socket.gethostname(),
        "purpose": purpose,
        "takenAt": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "nonce": str(uuid.uuid4()),
    }
    while not _try_create(file, own):
        holder = _read(file)
        if holder is not None and _is_alive(file, holder):
            where = "" if holder["host"] == own["host"] else f" on {holder['host']}"
            raise RunFolderError(
                f"{file.parent} is in use by process {holder['pid']}{where} ({holder['purpose']}, since {holder['takenAt']}). Wait for it, stop it, "
                f"or choose another output. Only if it certainly no longer runs: remove {file}."
            )
        file.unlink(missing_ok=True)
    done = threading.Event()
    heartbeat = threading.Thread(target=_touch_until, args=(file, done), daemon=True)
    heartbeat.start()
    try:
        yield
    finally:
        done.set()
        holder = _read(file)
        if holder is not None and holder["nonce"] == own["nonce"]:
            file.unlink(missing_ok=True)


def _try_create(file: Path, holder: dict) -> bool:
    """A hard link appears at once, with its content: nobody reads half a lock."""
    draft = file.with_name(f"{file.name}.{holder['nonce']}")
    draft.write_text(json.dumps(holder))
    try:
        os.link(draft, file)
        return True
    except FileExistsError:
        return False
    finally:
        draft.unlink()


def _read(file: Path) -> dict | None:
    try:
        holder = json.loads(file.read_text())
        return holder if {"pid", "startTime", "host", "purpose", "takenAt", "nonce"} <= holder.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _is_alive(file: Path, holder: dict) -> bool:
    if holder["host"] != socket.gethostname():
        with contextlib.suppress(OSError):
            return time.time() - file.stat().st_mtime < FOREIGN_STALE_SECONDS
        return False
    started = process_start_time(holder["pid"])
    return started is not None and holder["startTime"] in ("unknown", started)


def process_start_time(pid: int) -> str | None:
    """Differs between two processes that had the same pid; None when none runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    try:
        # The name in parentheses may hold spaces: fields are counted after it. Field 22 is the start in clock ticks.
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[-1].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return None if fields[0] == "Z" else f"{fields[19]} {boot}"
    except OSError:
        return "unknown"


def _touch_until(file: Path, done: threading.Event) -> None:
    while not done.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError):
            os.utime(file)
