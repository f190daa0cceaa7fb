"""Several processes that compute one run, started by torchrun: each takes a share of a step's examples and keeps a shard of every model (FSDP2).

Settings say what a step sees; here is only who computes it, so a run does not depend on how many there are, and goes on with another number.
Sharded are the weights of transformers. Adapters and score heads, small and outside of them, are whole in every process, and their gradients are
summed. In one process everything here does nothing.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from attune_gpu.errors import AttuneError, MachineError
from attune_gpu.machine import Machine

Item, Made = TypeVar("Item"), TypeVar("Made")
PATIENCE = timedelta(hours=1)  # of the others, while the first one writes or solves


@dataclass
class Group:
    """The processes that this one is of."""

    rank: int
    count: int
    machine: Machine
    shards: bool


_group: Group | None = None


def local_device(asked: str) -> str:
    """Each process of a machine has a GPU of its own."""
    if "LOCAL_RANK" not in os.environ or asked not in ("auto", "cuda"):
        return asked
    return f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() or asked == "cuda" else "cpu"


def local_threads(asked: int) -> int:
    """The processes of a machine share its cores."""
    return max(1, asked // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


@contextlib.contextmanager
def joined(machine: Machine, shards: bool = True) -> Iterator[None]:
    """Meets the other processes that torchrun started, if it did; `shards`: models are spread over them rather than whole in each."""
    global _group
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if machine.compiles:
        raise MachineError("--compile is for one process. Leave it out under torchrun.")
    if machine.device.index is not None:
        torch.cuda.set_device(machine.device)
    is_ours = not dist.is_initialized()
    if is_ours:
        _meet(machine)
    _group = Group(dist.get_rank(), dist.get_world_size(), machine, shards)
    try:
        yield
    finally:
        _group = None
        if is_ours:
            dist.destroy_process_group()


def _meet(machine: Machine) -> None:
    """Numbers and texts go over gloo, weights and gradients over NCCL."""
    store, own_rank, size = next(rendezvous("env://", timeout=PATIENCE))
    # torchrun's store outlives a restart, and has the addresses of the processes that are gone.
    store = dist.PrefixStore(f"attempt-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    backend = "cpu:gloo,cuda:nccl" if machine.device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=own_rank, world_size=size, timeout=PATIENCE)


def rank() -> int:
    return 0 if _group is None else _group.rank


def count() -> int:
    return 1 if _group is None else _group.count


def is_first() -> bool:
    """It alone writes, and tells."""
    return rank() == 0


# What is computed by whom.


def share(count: int) -> tuple[list[int], float]:
    """Which of so many things are this process's, and whether they count (1 or 0).

    One that is left without any computes the first of them for nothing: all have to take part whenever weights are gathered.
    """
    if _group is None:
        return list(range(count)), 1.0
    own = list(range(_group.rank, count, _group.count))
    return (own, 1.0) if own else ([0], 0.0)


def together(items: Sequence[Item], work: Callable[[list[Item]], Sequence[Made]]) -> list[Made]:
    """What `work` makes of all items, in order, each process doing its share. An error of one is raised in all."""
    if _group is None:
        return list(work(list(items)))
    places, counts = share(len(items))
    made, error = _attempt(lambda: list(work([items[place] for place in places])))
    answers = _exchange((places if counts else [], made, error))
    _raise_first(error for _, _, error in answers)
    by_place = {place: one for places, made, _ in answers for place, one in zip(places, made, strict=False)}
    return [by_place[place] for place in range(len(items))]


def first(work: Callable[[], Made]) -> Made:
    """Done by the first process while the others wait; all get what it returned, or raise what it raised."""
    if _group is None:
        return work()
    said = [_attempt(work) if is_first() else None]
    dist.broadcast_object_list(said, src=0)
    made, error = said[0]
    _raise_first([error])
    return made


def total(value: float) -> float:
    """Summed over processes: the very same number in each of them."""
    return value if _group is None else sum(_exchange(value))


def largest(value: float) -> float:
    """No number, where one of them is none."""
    return value if _group is None else max(_exchange(value), key=lambda each: math.inf if math.isnan(each) else each)


def any_of(value: bool) -> bool:
    return value if _group is None else any(_exchange(value))


def _exchange(value: Item) -> list[Item]:
    answers: list = [None] * _group.count
    dist.all_gather_object(answers, value)
    return answers


def _attempt(work: Callable[[], Made]) -> tuple[Made | None, Exception | None]:
    """Errors for people travel; a fault of ours ends this process, and torchrun the others."""
    try:
        return work(), None
    except AttuneError as error:
        return None, error


def _raise_first(errors) -> None:
    error = next((error for error in errors if error is not None), None)
    if error is not None:
        raise error


# Where weights are.


def shard(model: nn.Module, layers: Sequence[nn.Module]) -> None:
    """Before it has weights (on the meta device): each layer, and what is left, is gathered where it is computed."""
    if _group is None or not _group.shards:
        return
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = dist.init_device_mesh(_group.machine.device.type, (_group.count,))
    precision = MixedPrecisionPolicy()
    if _group.machine.precision == "bf16":
        # Inputs stay as they are: rotary positions need single precision.
        precision = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=precision)
    # The table of the vocabulary is used once more behind the model's end, so it stays until the gradients are there.
    fully_shard(model, mesh=mesh, mp_policy=precision, reshard_after_forward=False)
    for part in [*layers, model]:
        # Every share is divided by what counts in all of them, so gradients are summed, not averaged.
        part.set_force_sum_reduction_for_comms(True)
        part.set_gradient_divide_factor(1.0)


def is_sharded(tensor: Tensor) -> bool:
    if _group is None or not _group.shards:
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def part_of(whole: Tensor, parameter: Tensor, **place) -> Tensor:
    """What this process keeps of a tensor that is in memory, laid out as a parameter is; `place`: device and dtype."""
    if not is_sharded(parameter):
        return whole.to(**place)
    from torch.distributed.tensor import DTensor

    parts = whole.reshape(parameter.shape).chunk(_group.count)
    own = parts[_group.rank] if _group.rank < len(parts) else whole.new_zeros(0, *parameter.shape[1:])
    own = own.to(**place).clone(memory_format=torch.contiguous_format)
    return DTensor.from_local(own, parameter.device_mesh, parameter.placements, run_check=False, shape=parameter.shape, stride=parameter.stride())


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put together in the first process, for files, one at a time; the others take part and get nothing that is of use."""
    if not any(map(is_sharded, tensors.values())):
        return dict(tensors)
    gathered = {}
    for name, tensor in tensors.items():
        complete = tensor.detach().full_tensor() if is_sharded(tensor) else tensor
        gathered[name] = complete.cpu() if is_first() else complete.new_empty(0)
    return gathered


@contextlib.contextmanager
def gathered(model: nn.Module) -> Iterator[None]:
    """The model is whole in each process: they may call it as often as each needs, as in a decode. Changes nothing."""
    parts = _sharded_parts(model)
    if not parts:
        yield
        return
    model.set_reshard_after_forward(False)
    try:
        for part in parts:
            part.reshard()  # what an earlier call left whole may be out of date
            part.unshard()
        yield
    finally:
        for part in parts:
            part.set_reshard_after_forward(part is not model, recurse=False)
            part.reshard()


def parameters_here(model: nn.Module) -> list[Tensor]:
    """What this process keeps of them: after a call some would be whole, until something is learned."""
    for part in _sharded_parts(model):
        part.reshard()
    return [local(p.detach()) for p in model.parameters()]


def _sharded_parts(model: nn.Module) -> list:
    if _group is None or not _group.shards:
        return []
    from torch.distributed.fsdp import FSDPModule

    return [module for module in model.modules() if isinstance(module, FSDPModule)]


# Gradients.


def sum_gradients(trained: Mapping[str, Tensor]) -> None:
    """Of what is whole in each process; those of shards are summed as they are made."""
    if _group is None:
        return
    gradients = [p.grad for p in trained.values() if p.grad is not None and not is_sharded(p)]
    if not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    for gradient, summed in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(summed.view_as(gradient))


def local(tensor: Tensor) -> Tensor:
    """The memory behind it in this process."""
    return tensor._local_tensor if is_sharded(tensor) else tensor


def gradient_norm(trained: Mapping[str, Tensor]) -> float:
    """Of all gradients, wherever they are, in double."""
    norms = {True: [], False: []}
    for p in trained.values():
        if p.grad is not None:
            norms[is_sharded(p)].append(torch.linalg.vector_norm(local(p.grad), dtype=torch.float64))
    here, spread = (float(torch.linalg.vector_norm(torch.stack(each))) if each else 0.0 for each in (norms[False], norms[True]))
    return here if not norms[True] else math.sqrt(here**2 + total(spread**2))
