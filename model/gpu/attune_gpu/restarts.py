"""What torchrun must not restart: it starts a failed run again (--max-restarts), which is right for a lost machine and wrong where people decide."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from attune_gpu.errors import AttuneError, MachineError


@contextlib.contextmanager
def stays_stopped() -> Iterator[None]:
    """A pause, or settings and data that do not fit, hold for the restarts of the same launch too; machines may fail and be tried again."""
    note = _note()
    if note is not None and note.exists():
        raise AttuneError(f"Not restarted: {note.read_text()}")
    try:
        yield
    except MachineError:
        raise
    except AttuneError as error:
        if note is not None:
            note.write_text(str(error))
        raise


def _note() -> Path | None:
    """In the folder of torchrun's logs on this machine, which its attempts share: <run>/attempt_<n>/<rank>/error.json."""
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    return None if file is None else Path(file).parents[2] / "attune-stays-stopped"
