"""The machine a run computes on: device and precision, checked before anything is loaded. Settings know nothing of it: these are options."""

import contextlib
import os
import time
from dataclasses import dataclass, field

import torch

from attune_gpu.errors import MachineError


@dataclass(frozen=True)
class Machine:
    """`bf16` computes under autocast; what is trained stays in single precision, a frozen base is kept in bf16."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "fp32"
    compiles: bool = False
    generator: str = "own"  # or vllm: what samples in PPO
    elsewhere: object | None = None  # actors that sample and score for it (ray_run.py)

    def autocast(self):
        if self.precision == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    @property
    def flexes(self) -> bool:
        """Attention by blocks (flex attention), which has to be compiled."""
        return self.compiles and self.device.type == "cuda"

    @property
    def frozen_dtype(self) -> torch.dtype:
        return torch.float32 if self.precision == "fp32" else torch.bfloat16

    def now(self) -> float:
        """Seconds; behind all that the device was given to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def describe(self) -> dict:
        if self.device.type != "cuda":
            return {"device": "cpu", "deviceCount": 1, "memoryBytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}
        return {
            "device": "gpu",
            "deviceCount": 1,
            "memoryBytes": torch.cuda.get_device_properties(self.device).total_memory,
            "name": torch.cuda.get_device_name(self.device),
        }


def choose_machine(device: str = "auto", precision: str = "auto", compiles: bool = False, threads: int | None = None, generator: str = "own", elsewhere=None) -> Machine:
    """The GPU where there is one that works; asked for by name, it has to."""
    if device not in ("auto", "cpu") and not device.startswith("cuda"):
        raise MachineError(f"--device {device}: choose auto, cpu or cuda.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda"):
        _expect_cuda(device)
    precision = _choose_precision(device, precision)
    if device == "cpu" and threads is not None:
        torch.set_num_threads(threads)
    if device.startswith("cuda") and precision == "fp32":
        # Single precision is asked for to compare: TF32 would round it.
        torch.backends.cuda.matmul.allow_tf32 = False
    return Machine(torch.device(device), precision, compiles, generator, elsewhere)


def _choose_precision(device: str, precision: str) -> str:
    has_bf16 = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    if precision not in ("fp32", "bf16"):
        raise MachineError(f"--precision {precision}: choose fp32 or bf16.")
    if precision == "bf16" and device.startswith("cuda") and not has_bf16:
        raise MachineError(f"--precision bf16: {torch.cuda.get_device_name(device)} computes no bf16 (Ampere and newer do). Take --precision fp32.")
    return precision


def _expect_cuda(device: str) -> None:
    if not torch.backends.cuda.is_built():
        raise MachineError(
            f"--device {device}: this PyTorch ({torch.__version__}) is built without CUDA. Install one with it "
            "(https://pytorch.org/get-started), or take --device cpu."
        )
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise MachineError(
            f"--device {device}: CUDA cannot be used ({str(error).splitlines()[0]}). This PyTorch ({torch.__version__}) wants a driver for "
            f"CUDA {torch.version.cuda} or newer: see what nvidia-smi says, update the driver or install a PyTorch for its version."
        ) from error


def threads_of(config: dict) -> int:
    """As many as the settings say, else one per core, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return config["threads"] or min(8, cores)
