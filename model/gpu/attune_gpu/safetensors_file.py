"""safetensors in and out; a file is whole and on disk before anything names it."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from attune_gpu.errors import CheckpointError, MachineError


def read_tensors(files: list[Path] | Path, names: list[str] | None = None) -> dict[str, torch.Tensor]:
    """By name, as they are stored; all of them, or those asked for."""
    tensors = {}
    for file in [files] if isinstance(files, Path) else files:
        try:
            with safe_open(file, framework="pt") as stored:
                for name in stored.keys():
                    if names is None or name in names:
                        tensors[name] = stored.get_tensor(name)
        except FileNotFoundError as error:
            raise CheckpointError(f"{file} is missing.") from error
        except Exception as error:  # the library has an exception type of its own, of no public name
            raise CheckpointError(f"{file} is no whole safetensors file ({error}).") from error
    return tensors


def write_tensors(file: Path, tensors: Mapping[str, torch.Tensor]) -> dict:
    """Single precision. Returns sha256 and size. Never as one piece in memory: a large model would be there twice."""
    file.parent.mkdir(parents=True, exist_ok=True)
    plain = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in tensors.items()}
    with _saying_when_full(file, sum(tensor.nbytes for tensor in plain.values())):
        try:
            save_file(plain, file, metadata={"format": "pt"})
        except Exception as error:  # the library has an exception type of its own, of no public name
            raise OSError(errno.ENOSPC if "os error 28" in str(error) else errno.EIO, f"{file}: {error}") from error
        _flush(file)
    return {"sha256": file_sha256(file), "sizeBytes": file.stat().st_size}


def write_durably(file: Path, content: bytes) -> dict:
    """Flushed to the disk. Returns sha256 and size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with _saying_when_full(file, len(content)), open(file, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return {"sha256": hashlib.sha256(content).hexdigest(), "sizeBytes": len(content)}


@contextlib.contextmanager
def _saying_when_full(file: Path, size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MachineError(
            f"The disk is full: {file}, {size / 1e6:.0f} MB, was not written. Free at least that much. The last checkpoint is "
            "whole, and the same command goes on from it."
        ) from error


def sync_folder(folder: Path) -> None:
    """A rename is on the disk once its folder is."""
    _flush(folder)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as content:
        while chunk := content.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
