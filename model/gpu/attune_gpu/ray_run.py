"""`attune-gpu ray`: one run whose trainers, generators and scorers are actors that Ray places on the machines of a cluster.

Trainers are what torchrun would start: the processes of distributed.py. Generators hold the policy and answer the trainers' prompts, scorers hold
reward models; both are for PPO alone. A draw depends on its place in the run (docs/formats.md), so who answers changes nothing. Folders that the
settings name have to be the same on every machine.
"""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attune_gpu.checkpoint import Checkpoint, LoraShape, open_checkpoint
from attune_gpu.distributed import any_of, count, is_first, joined, rank, together
from attune_gpu.errors import AttuneError, MachineError
from attune_gpu.generation import BatchedDecode, SampledResponse
from attune_gpu.groups import Group
from attune_gpu.machine import Machine, choose_machine
from attune_gpu.model import Adapter, Transformer, load_transformer
from attune_gpu.reward_model import RewardModel
from attune_gpu.run_loop import Hooks


@dataclass(frozen=True)
class Crew:
    """How many actors of each kind, and what each gets."""

    trainers: int = 1
    generators: int = 0
    scorers: int = 0
    gpus: float = 0  # of each actor
    cpus: float = 1
    restarts: int = 3
    room_seconds: float = 60  # that the cluster has to make room
    precision: str = "auto"
    shards: bool = True


def load_ray():
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MachineError("attune-gpu ray: Ray is not installed here (pip install 'attune-gpu[ray]').") from error
    return ray


class Trainer:
    """One process of the run's group. Its methods are called from several threads, so that it can be told to stop while it runs."""

    def __init__(self):
        self.is_stopped = False

    def address(self) -> tuple[str, int]:
        """Where the others meet the first one."""
        with socket.socket() as free:
            free.bind(("", 0))
            return load_ray().util.get_node_ip_address(), free.getsockname()[1]

    def node(self) -> str:
        return load_ray().get_runtime_context().get_node_id()

    def stop(self) -> None:
        self.is_stopped = True

    def run(self, stage: str, config: dict, crew: Crew, place: tuple[int, str, int], generators: list, scorers: list) -> dict | None:
        """The summary, of the first one."""
        from attune_gpu.cli import print_event
        from attune_gpu.stages import run

        number, host, port = place
        os.environ |= {"RANK": str(number), "WORLD_SIZE": str(crew.trainers), "MASTER_ADDR": host, "MASTER_PORT": str(port)}
        machine = choose_machine("auto", crew.precision, threads=max(1, int(crew.cpus)), elsewhere=Elsewhere(generators, scorers))
        with joined(machine, crew.shards):
            tell = print_event if is_first() else lambda event: None
            summary = run(stage, config, machine, Hooks(on_event=tell, is_stopping=lambda: any_of(self.is_stopped)))
            return summary if is_first() else None


class GeneratorActor:
    """The policy as it was last told, for responses."""

    def __init__(self, crew: Crew):
        self.machine = choose_machine("auto", crew.precision, threads=max(1, int(crew.cpus)))
        self.model: Transformer | None = None
        self.adapter: Adapter | None = None

    def node(self) -> str:
        return load_ray().get_runtime_context().get_node_id()

    def open(self, base_folder: str, end_token_ids: list[int]) -> None:
        base = open_checkpoint(base_folder)
        self.model = load_transformer(base.config, base.base_weights(), self.machine.device, self.machine.frozen_dtype)
        self.decode = BatchedDecode(self.model, lambda: self.adapter, end_token_ids, self.machine)

    def sample(self, weights: dict[str, Tensor], lora: LoraShape | None, prompts, places, options: dict) -> list[SampledResponse]:
        if lora is None:
            self.model.load_state_dict(weights)
        else:
            self.adapter = Adapter(lora, weights).to(self.machine.device)
        return self.decode.sample(prompts, places, **options)


class ScorerActor:
    """Reward models, by their folders."""

    def __init__(self, crew: Crew):
        self.machine = choose_machine("auto", crew.precision, threads=max(1, int(crew.cpus)))
        self.models: dict[str, RewardModel] = {}

    def node(self) -> str:
        return load_ray().get_runtime_context().get_node_id()

    def open(self, folder: str, base_folder: str) -> None:
        self.models[folder] = RewardModel.load(open_checkpoint(folder, [base_folder]), self.machine)

    def score(self, folder: str, groups: list[Group]) -> list[Tensor]:
        """(responses, members) of each group."""
        scores = self.models[folder].score(groups)
        return list(scores.split([len(group.responses) for group in groups]))

    def sha256(self, folder: str) -> str:
        return self.models[folder].sha256()


class Elsewhere:
    """What a trainer has others do; `None` where there are none for it."""

    def __init__(self, generators: list, scorers: list):
        self.generators, self.scorers = generators, scorers

    def generator(self, base: Checkpoint, model: Transformer, adapter: Adapter | None) -> "RemoteGenerator | None":
        return RemoteGenerator(self.generators, base, model, adapter) if self.generators else None

    def reward_model(self, checkpoint: Checkpoint) -> "RemoteRewardModel | None":
        return RemoteRewardModel(self.scorers, checkpoint) if self.scorers else None


class RemoteGenerator:
    """A generator (generation.py) whose prompts are answered by actors, with the policy as it is at the call."""

    def __init__(self, actors: list, base: Checkpoint, model: Transformer, adapter: Adapter | None):
        self.ray, self.actors, self.model, self.adapter = load_ray(), _own(actors), model, adapter
        self.ray.get([actor.open.remote(str(base.base_folder.resolve()), base.tokenizer.end_token_ids) for actor in self.actors])

    def sample(self, prompts, places, *, seed, most_tokens, temperature=1.0) -> list[SampledResponse]:
        trained = dict(self.model.named_parameters()) if self.adapter is None else self.adapter.parameters
        weights = self.ray.put({name: p.detach().cpu() for name, p in trained.items()})
        lora, options = self.adapter and self.adapter.shape, {"seed": seed, "most_tokens": most_tokens, "temperature": temperature}

        def ask(actor, own: list):
            return actor.sample.remote(weights, lora, *map(list, zip(*own, strict=True)), options)

        return _spread(self.ray, self.actors, list(zip(prompts, places, strict=True)), ask)


class RemoteRewardModel:
    """A reward model (reward_model.py) that actors hold."""

    def __init__(self, actors: list, checkpoint: Checkpoint):
        self.ray, self.actors, self.folder = load_ray(), _own(actors), str(checkpoint.folder.resolve())
        self.ray.get([actor.open.remote(self.folder, str(checkpoint.base_folder.resolve())) for actor in self.actors])

    def score(self, groups: list[Group]) -> Tensor:
        """(R, members), group by group."""
        return torch.cat(together(groups, lambda own: _spread(self.ray, self.actors, own, lambda actor, part: actor.score.remote(self.folder, part))))

    def sha256(self) -> str:
        return self.ray.get(self.actors[0].sha256.remote(self.folder))


def _own(actors: list) -> list:
    """Those that this trainer asks: others ask the others, where there are enough."""
    return actors[rank() :: count()] or [actors[rank() % len(actors)]]


def _spread(ray, actors: list, items: Sequence, ask: Callable) -> list:
    """Every n-th item to the n-th actor; the answers in the order of the items."""
    shares = [list(items[at :: len(actors)]) for at in range(len(actors))]
    answers = ray.get([ask(actor, share) for actor, share in zip(actors, shares, strict=True) if share])
    return [answers[place % len(actors)][place // len(actors)] for place in range(len(items))]


def run_on_ray(stage: str, config: dict, crew: Crew, *, address: str | None, is_stopping: Callable[[], bool]) -> dict:
    """The summary. Where a machine is lost, everything is placed anew and goes on from the last checkpoint."""
    ray = load_ray()
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=True)
    if stage != "ppo":
        crew = Crew(**{**vars(crew), "generators": 0, "scorers": 0})
    for attempt in range(crew.restarts + 1):
        placed = Placed(ray, crew)
        try:
            return placed.run(stage, config, is_stopping)
        except ray.exceptions.RayTaskError as error:
            # A trainer's own error: those for people end the run, and so does a fault of ours; a lost peer it learns of as its own fault.
            cause = error.cause
            if isinstance(cause, AttuneError) and not isinstance(cause, MachineError):
                raise cause from error
            if attempt == crew.restarts:
                raise
            print(f"restarted: {str(cause).splitlines()[0] if str(cause) else type(cause).__name__}", flush=True)
        except ray.exceptions.RayActorError as error:
            if attempt == crew.restarts:
                raise MachineError(f"Machines were lost {attempt + 1} times, the last time: {str(error).splitlines()[0]}") from error
            print(f"restarted: {str(error).splitlines()[0]}", flush=True)
        finally:
            placed.release()
    raise AssertionError("unreachable")


class Placed:
    """The actors of one attempt, in placement groups: trainers close together, for they exchange gradients; the others spread out."""

    def __init__(self, ray, crew: Crew):
        self.ray, self.crew, self.groups = ray, crew, []
        try:
            self.trainers = self._place(Trainer, crew.trainers, "PACK", max_concurrency=2)
            self.generators = self._place(GeneratorActor, crew.generators, "SPREAD", crew)
            self.scorers = self._place(ScorerActor, crew.scorers, "SPREAD", crew)
        except BaseException:
            self.release()
            raise

    def _place(self, kind: type, count: int, strategy: str, *arguments, **options) -> list:
        if count == 0:
            return []
        ray, crew = self.ray, self.crew
        needs = {"CPU": crew.cpus, **({"GPU": crew.gpus} if crew.gpus else {})}
        group = ray.util.placement_group([needs] * count, strategy=strategy)
        self.groups.append(group)
        if not group.wait(crew.room_seconds):
            raise MachineError(f"The cluster has no room for {count} x {kind.__name__} of {needs}. It has {ray.cluster_resources()}; free: {ray.available_resources()}.")
        actor = ray.remote(num_cpus=crew.cpus, num_gpus=crew.gpus, **options)(kind)
        strategy_of = ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy
        return [actor.options(scheduling_strategy=strategy_of(group, placement_group_bundle_index=at)).remote(*arguments) for at in range(count)]

    def nodes(self) -> dict[str, list[str]]:
        kinds = {"trainers": self.trainers, "generators": self.generators, "scorers": self.scorers}
        return {name: self.ray.get([actor.node.remote() for actor in actors]) for name, actors in kinds.items()}

    def run(self, stage: str, config: dict, is_stopping: Callable[[], bool]) -> dict:
        ray, is_told = self.ray, False
        print("placed: " + ", ".join(f"{name} on {[node[:8] for node in nodes]}" for name, nodes in self.nodes().items()), flush=True)
        host, port = ray.get(self.trainers[0].address.remote())
        runs = [
            trainer.run.remote(stage, config, self.crew, (number, host, port), self.generators, self.scorers)
            for number, trainer in enumerate(self.trainers)
        ]
        waiting = runs
        while waiting:
            done, waiting = ray.wait(waiting, timeout=1)
            ray.get(done)  # an error ends the attempt at once: the others wait for what never comes
            if is_stopping() and not is_told:
                is_told = True
                ray.get([trainer.stop.remote() for trainer in self.trainers])
        return ray.get(runs[0])

    def release(self) -> None:
        for actor in [*getattr(self, "trainers", []), *getattr(self, "generators", []), *getattr(self, "scorers", [])]:
            self.ray.kill(actor)
        for group in self.groups:
            self.ray.util.remove_placement_group(group)
