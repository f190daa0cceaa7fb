"""`attune-gpu`: the stages by the settings that `npx attune` takes, on this machine's GPU or CPU."""

import argparse
import json
import os
import signal
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path

from attune_gpu import __version__
from attune_gpu.config import SETTINGS, STAGES, load_schema, read_config
from attune_gpu.errors import AttuneError, ConfigError, MachineError

EXIT_FAILED, EXIT_CONFIG, EXIT_STOPPED = 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except AttuneError as error:
        # Of several processes one says what all of them found; a machine may be alone with its fault.
        if os.environ.get("RANK", "0") == "0" or isinstance(error, MachineError):
            print(error, file=sys.stderr)
        return EXIT_CONFIG if isinstance(error, ConfigError) else EXIT_FAILED


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="attune-gpu", description=__doc__)
    parser.add_argument("--version", action="version", version=f"attune-gpu {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for stage in SETTINGS:
        command = commands.add_parser(stage, help=f"as npx attune {stage}")
        command.add_argument("--config", help="JSON file of settings")
        command.add_argument("--set", action="append", default=[], metavar="key=value", dest="overrides", help="goes over the file")
        command.add_argument("--schema", action="store_true", help="print every setting with its default")
        command.add_argument("--json", action="store_true", help="end with the summary as one line of JSON")
        add_machine_options(command)
        command.set_defaults(run=run_stage if stage in STAGES else run_evaluation, stage=stage)
    cluster = commands.add_parser("ray", help="one run on the machines of a Ray cluster")
    cluster.add_argument("stage", choices=STAGES)
    cluster.add_argument("--config", required=True, help="JSON file of settings")
    cluster.add_argument("--set", action="append", default=[], metavar="key=value", dest="overrides", help="goes over the file")
    cluster.add_argument("--address", default="auto", help="of the cluster; local starts one on this machine")
    cluster.add_argument("--trainers", type=int, default=1, help="processes that train, as torchrun would start them")
    cluster.add_argument("--generators", type=int, default=0, help="actors that answer prompts in PPO; 0: the trainers do")
    cluster.add_argument("--scorers", type=int, default=0, help="actors that hold the reward models in PPO; 0: the trainers do")
    cluster.add_argument("--gpus", type=float, default=1, help="of each actor; 0 computes on CPUs")
    cluster.add_argument("--cpus", type=float, default=1, help="of each actor")
    cluster.add_argument("--restarts", type=int, default=3, help="after machines are lost")
    cluster.add_argument("--precision", default="auto", help="as of the stages")
    cluster.add_argument("--replicate", action="store_true", help="models whole in each trainer")
    cluster.add_argument("--json", action="store_true", help="end with the summary as one line of JSON")
    cluster.set_defaults(run=run_cluster)
    worker = commands.add_parser("worker", help="take runs from a server's queue")
    worker.add_argument("--url", required=True, help="the server's address")
    worker.add_argument("--token", default=os.environ.get("ATTUNE_WORKER_TOKEN"), help="from Runs, Workers; or ATTUNE_WORKER_TOKEN")
    worker.add_argument("--stages", default="sft,reward,ppo", help="that it claims, by commas")
    worker.add_argument("--folder", default=str(Path.home() / ".cache" / "attune" / "gpu-worker"), help="for bases and the run in hand")
    worker.add_argument("--runs", type=int, help="end after so many")
    add_machine_options(worker)
    worker.set_defaults(run=run_as_worker)
    bench = commands.add_parser("bench", help="speed on this machine, by random weights; toy sizes without a GPU")
    bench.add_argument("--json", action="store_true", help="on one line")
    bench.add_argument("--rounds", type=int, default=5, help="of which medians are told")
    add_machine_options(bench)
    bench.set_defaults(run=run_as_bench)
    return parser


def add_machine_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<number>; default: a GPU where there is one")
    command.add_argument("--precision", default="auto", help="fp32, or bf16 with single-precision weights; default: bf16 on a GPU")
    command.add_argument("--generator", default="own", choices=["own", "vllm"], help="what samples in PPO; vllm was not run by us")
    command.add_argument("--compile", action="store_true", help="compile the model (torch.compile): the first steps take minutes")
    command.add_argument("--replicate", action="store_true", help="under torchrun: models whole in each process, not spread over them (FSDP2)")


def run_stage(options: argparse.Namespace) -> int:
    if options.schema:
        print(json.dumps(load_schema(options.stage), indent=2))
        return 0
    config = read_config(options.stage, read_json(options.config), options.overrides)
    # From here on PyTorch is loaded, which takes seconds.
    from attune_gpu.distributed import any_of, is_first, joined, local_device, local_threads
    from attune_gpu.machine import choose_machine, threads_of
    from attune_gpu.restarts import stays_stopped
    from attune_gpu.run_loop import Hooks
    from attune_gpu.stages import run

    threads = local_threads(threads_of(config))
    machine = choose_machine(local_device(options.device), options.precision, options.compile, threads, options.generator)
    stopping = stop_on_signal()
    with stays_stopped(), joined(machine, shards=not options.replicate):
        if is_first():
            print(json.dumps(config, indent=2, ensure_ascii=False))
        hooks = Hooks(on_event=print_event if is_first() else lambda event: None, is_stopping=lambda: any_of(bool(stopping)))
        summary = run(options.stage, config, machine, hooks)
        is_telling = is_first()
    return tell_summary(summary, options) if is_telling else 0


def run_cluster(options: argparse.Namespace) -> int:
    config = read_config(options.stage, read_json(options.config), options.overrides)
    from attune_gpu.ray_run import Crew, run_on_ray

    counts = {"trainers": options.trainers, "generators": options.generators, "scorers": options.scorers}
    crew = Crew(**counts, gpus=options.gpus, cpus=options.cpus, restarts=options.restarts, precision=options.precision, shards=not options.replicate)
    stopping = stop_on_signal()
    address = None if options.address == "local" else options.address
    return tell_summary(run_on_ray(options.stage, config, crew, address=address, is_stopping=lambda: bool(stopping)), options)


def tell_summary(summary: dict, options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(summary))
    else:
        print(f"{'Finished' if summary['finished'] else 'Stopped; saved'}: {summary['checkpoint']}")
    return 0 if summary["finished"] else EXIT_STOPPED


def run_evaluation(options: argparse.Namespace) -> int:
    if options.schema:
        print(json.dumps(load_schema("eval"), indent=2))
        return 0
    config = read_config("eval", read_json(options.config), options.overrides)
    from attune_gpu.evaluate import run_eval
    from attune_gpu.machine import choose_machine, threads_of

    precision = "fp32" if options.precision == "auto" else options.precision
    summary = run_eval(config, choose_machine(options.device, precision, threads=threads_of(config)), lambda event: None if options.json else print_event(event))
    print(json.dumps(summary) if options.json else summary["report"])
    return 0


def run_as_worker(options: argparse.Namespace) -> int:
    if not options.token:
        raise ConfigError("--token: an admin makes one on the server's page Runs, Workers; ATTUNE_WORKER_TOKEN holds it just as well.")
    stages = tuple(options.stages.split(","))
    if not set(stages) <= set(STAGES):
        raise ConfigError(f"--stages {options.stages}: choose of {', '.join(STAGES)}.")
    from attune_gpu.machine import choose_machine
    from attune_gpu.worker import run_worker

    machine = choose_machine(options.device, options.precision, options.compile, generator=options.generator)
    stopping = stop_on_signal()
    run_worker(options.url, options.token, machine, root=Path(options.folder), is_stopping=lambda: bool(stopping), stages=stages, runs=options.runs)
    return 0


def run_as_bench(options: argparse.Namespace) -> int:
    from attune_gpu.bench import run_bench
    from attune_gpu.machine import choose_machine

    machine = choose_machine(options.device, options.precision, options.compile)
    print(json.dumps(run_bench(machine, max(1, options.rounds)), indent=None if options.json else 2))
    return 0


def read_json(file: str | None) -> object:
    if file is None:
        return {}
    try:
        return json.loads(Path(file).read_text())
    except OSError as error:
        raise ConfigError(f"--config {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {file}: is not JSON ({error})") from error


def stop_on_signal() -> list[int]:
    """Filled by the first Ctrl-C, which saves; a second one does not wait."""
    received: list[int] = []

    def stop(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return received


def print_event(event: dict) -> None:
    plain = {key: asdict(value) if is_dataclass(value) else value for key, value in event.items()}
    kind = plain.pop("type")
    if kind == "episodes":  # whole texts with a number for each token are for the admin's page
        plain["episodes"] = len(plain["episodes"])
    print(f"{kind}: " + ", ".join(f"{key} {_short(value)}" for key, value in plain.items()), flush=True)


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
