"""safetensors in and out; a file is whole and on disk before anything names it."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

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
    """Single precision. Returns sha256 and size."""
    plain = {name: tensor.detach().to("cpu", torch.float32).contiguous() for name, tensor in tensors.items()}
    return write_durably(file, save(plain, metadata={"format": "pt"}))


def write_durably(file: Path, content: bytes) -> dict:
    """Flushed to the disk. Returns sha256 and size."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(file, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        if error.errno == 28:
            raise MachineError(
                f"The disk is full: {file}, {len(content) / 1e6:.0f} MB, was not written. Free at least that much. The last checkpoint is "
                "whole, and the same command goes on from it."
            ) from error
        raise
    return {"sha256": hashlib.sha256(content).hexdigest(), "sizeBytes": len(content)}


def sync_folder(folder: Path) -> None:
    """A rename is on the disk once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
