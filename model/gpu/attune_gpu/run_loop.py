"""The run that all stages share: steps in a known order, evaluation, checkpoints, and going on after a kill (model/train/run-loop.ts)."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from attune_gpu.distributed import first
from attune_gpu.errors import PausedError
from attune_gpu.optimizer import learning_rate_share
from attune_gpu.run_folder import checkpoint_folder, config_sha256, last_state, remove_old_checkpoints
from attune_gpu.safetensors_file import sync_folder
from attune_gpu.training_state import new_state, write_state

KEPT_LOSSES, FEWEST_LOSSES, LEAST_MEDIAN = 50, 20, 1.0
SKIPS_BEFORE_PAUSE = 3


@dataclass
class Hooks:
    """What a run tells, and what may stop it. `on_saved` is waited for; until it returns the folder stays."""

    on_event: Callable[[dict], None] = lambda event: None
    on_saved: Callable[[dict], None] = lambda saved: None
    is_stopping: Callable[[], bool] = lambda: False
    facts: dict | None = None  # of a server's run: {run, datasetSha256}
    base_places: list[Path] = field(default_factory=list)


@dataclass
class Report:
    """Of one step."""

    loss: float
    gradient_norm: float
    applied: bool
    tokens: int
    seconds: dict[str, float]
    pause: PausedError | None = None


class Objective:
    """What differs from stage to stage. `evaluate` and `respond` are None where nothing is held out or asked."""

    total_steps: int
    evaluate: Callable[[int], dict] | None = None
    respond: Callable[[Path | None], list[str]] | None = None  # by the weights of a folder; None: by those in memory
    sample_prompts: list[tuple[str, object]] = []  # what people read, and where it was taken from

    def epoch_of(self, step: int) -> int:
        raise NotImplementedError

    def advance(self, step: int, lr: float, accepts: Callable[[float], bool]) -> Report | None:
        """One step; None where nothing of it counts."""
        raise NotImplementedError

    def write_weights(self, folder: Path) -> None:
        raise NotImplementedError

    def merit(self, evaluation: dict) -> float:
        """The best checkpoint has most of it."""
        return -evaluation.get("validationLoss", math.nan)

    def moments(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def optimizer_steps(self) -> int:
        raise NotImplementedError

    def stage_state(self) -> dict | None:
        return None

    def hidden(self) -> dict[str, Tensor] | None:
        return None


def find_resumable(settings: dict, dataset_sha256: str | None, parent: str) -> tuple[str, tuple[Path, dict] | None]:
    """The run's identity, and where an interrupted run of the same stands."""
    sha256 = config_sha256(settings, dataset_sha256, parent)
    checkpoints = Path(settings["output"]) / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    return sha256, first(lambda: last_state(checkpoints, sha256))


def run_loop(settings: dict, objective: Objective, *, start: Path, sha256: str, resumable: tuple[Path, dict] | None, hooks: Hooks) -> dict:
    """Long, in numbered steps: this is the script of a run. Returns its summary."""
    checkpoints, total = Path(settings["output"]) / "checkpoints", objective.total_steps
    evaluate_every = settings["evaluateEverySteps"] or max(1, math.ceil(total / 10))
    save_every = settings["saveEverySteps"] or evaluate_every
    tell = hooks.on_event

    # 1. Where it stands.
    state = dict(resumable[1]) if resumable else new_state(settings["stage"], settings["seed"], settings["threads"], sha256)
    saved_step = state["step"] if resumable else None
    if resumable:
        tell({"type": "resumed", "step": state["step"]})

    def folder_of(step: int) -> Path:
        return checkpoint_folder(checkpoints, step)

    def timed(name: str, work: Callable[[], object]) -> object:
        started = time.perf_counter()
        result = work()
        tell({"type": "phase", "step": state["step"], "name": name, "seconds": time.perf_counter() - started})
        return result

    def write() -> None:
        state["optimizerSteps"] = objective.optimizer_steps()
        state["epoch"] = objective.epoch_of(state["step"]) if state["step"] < total else settings["epochs"]
        if objective.stage_state() is not None:
            state["ofStage"] = objective.stage_state()
        save_checkpoint(folder_of(state["step"]), objective, state)
        best = state["best"]["step"] if state["best"] else state["step"]
        first(lambda: remove_old_checkpoints(checkpoints, {state["step"], best}))

    def save() -> None:
        nonlocal saved_step
        timed("save", write)
        saved_step = state["step"]
        is_best = state["best"] is not None and state["best"]["step"] == state["step"]
        saved = {"step": state["step"], "folder": str(folder_of(state["step"])), "isBest": is_best}
        tell({"type": "saved", **saved})
        hooks.on_saved(saved)

    # What a checkpoint says to the sample prompts, by step; none is asked twice.
    responses: dict[int, list[str]] = {}

    def responses_of(step: int, folder: Path | None) -> list[str]:
        if step not in responses:
            responses[step] = objective.respond(folder) if objective.respond else []
        return responses[step]

    def sample() -> None:
        for (prompt, source), response in zip(objective.sample_prompts, responses_of(state["step"], None)):
            tell({"type": "sample", "step": state["step"], "prompt": prompt, "response": response, "source": source})

    def measure() -> None:
        evaluation = objective.evaluate(state["step"])
        merit = objective.merit(evaluation)
        is_better = math.isfinite(merit) if state["best"] is None else merit > objective.merit(state["best"])
        if is_better:
            state["best"] = {"step": state["step"], **evaluation}
        loss = evaluation.get("validationLoss", math.nan)
        state.update({**evaluation, "validationLoss": loss if math.isfinite(loss) else None})
        tell({"type": "evaluated", "step": state["step"], **evaluation})

    def evaluate() -> PausedError | None:
        """Why it could not be measured."""
        if objective.evaluate is None:
            return None
        state["evaluationDue"] = True
        try:
            timed("evaluate", measure)
        except PausedError as error:
            return error
        del state["evaluationDue"]
        return None

    is_sample_due = False

    def settle(is_measured: bool, pause: PausedError | None = None) -> None:
        """What comes after a step: it is measured and saved where that is due."""
        nonlocal is_sample_due
        if is_measured:
            failure = evaluate()
            if failure is not None:
                if saved_step != state["step"]:
                    save()
                raise pause or failure
            if state["step"] == 0:
                state["validationLossBefore"] = state["validationLoss"]
                for key in ("pairAccuracy", "heldOutScore"):
                    if key in state:
                        state[f"{key}Before"] = state[key]
            is_sample_due = True
        is_best = state["best"] is not None and state["best"]["step"] == state["step"]
        if state["step"] == total or is_best or state["step"] % save_every == 0:
            save()
            if is_sample_due and objective.respond and not hooks.is_stopping():
                timed("sample", sample)
            is_sample_due = False

    # 2. Where it starts from, as a baseline; or what the run was stopped in.
    if not resumable or state.get("evaluationDue"):
        settle(is_measured=True)

    # 3. The steps.
    recent: list[tuple[float, int]] = [(time.perf_counter(), 0)]
    while state["step"] < total and not hooks.is_stopping():
        step = state["step"]
        lr = settings["lr"] * learning_rate_share(settings, step, total)
        try:
            report = None if step in state["skippedSteps"] else objective.advance(step, lr, lambda loss: accepts(loss, state, settings))
        except PausedError:
            if saved_step != state["step"]:
                save()
            raise
        if report and report.applied:
            state["tokensSeen"] += report.tokens
            state["recentLosses"] = [*state["recentLosses"], report.loss][-KEPT_LOSSES:]
            recent = [*recent, (time.perf_counter(), report.tokens)][-21:]
            seconds = recent[-1][0] - recent[0][0]
            tell({
                "type": "step", "step": step, "totalSteps": total, "loss": report.loss, "lr": lr, "gradientNorm": report.gradient_norm,
                "tokensPerSecond": sum(tokens for _, tokens in recent[1:]) / max(1e-9, seconds),
                "secondsLeft": (total - step - 1) * seconds / max(1, len(recent) - 1), "epoch": objective.epoch_of(step),
                "tokensSeen": state["tokensSeen"], "seconds": report.seconds,
            })  # fmt: skip
        elif report:
            reason = "spike" if math.isfinite(report.loss) and math.isfinite(report.gradient_norm) else "nonFinite"
            state["skippedSteps"].append(step)
            tell({"type": "skipped", "step": step, "loss": report.loss, "reason": reason})
            if skips_in_a_row(state["skippedSteps"], step + 1) == 0:
                state["step"] += 1
                save()
                raise diverged(step, reason)
        state["step"] += 1
        settle(state["step"] == total or state["step"] % evaluate_every == 0, report.pause if report else None)
        if report and report.pause:
            if saved_step != state["step"]:
                save()
            raise report.pause
    if saved_step != state["step"]:
        save()

    # 4. What it came to: the best checkpoint, or the last one where nothing is held out.
    best = state["best"]["step"] if state["best"] else state["step"]
    kept = best if folder_of(best).exists() else state["step"]
    finished = state["step"] >= total and not state.get("evaluationDue")
    measured = state["best"] if state["best"] and kept == state["best"]["step"] else state
    before = responses_of(0, start) if finished else []
    after = responses_of(kept, folder_of(kept)) if finished else []
    before_keys = ("validationLossBefore", "pairAccuracyBefore", "heldOutScoreBefore")
    now_keys = ("validationLoss", "pairAccuracy", "heldOutScore", "heldOutKl", "heldOutWin")
    return {
        "steps": state["step"],
        "totalSteps": total,
        **{key: state[key] for key in before_keys if key in state},
        **{key: measured.get(key) for key in now_keys if key == "validationLoss" or key in measured},
        "samples": [{"prompt": prompt, "before": b, "after": a} for (prompt, _), b, a in zip(objective.sample_prompts, before, after)],
        "checkpoint": str(folder_of(kept)),
        "finished": finished,
    }


def save_checkpoint(folder: Path, objective: Objective, state: dict) -> None:
    """The state comes last: a checkpoint without one was interrupted and is not gone on from."""
    part = folder.with_name(f"{folder.name}.state.part")

    def write(moments: dict[str, Tensor], hidden: dict[str, Tensor] | None) -> None:
        first(lambda: write_state(part, state, moments, hidden))

    def finish() -> None:
        part.rename(folder / "state")
        sync_folder(folder)

    try:
        write(objective.moments(), objective.hidden())
        first(lambda: shutil.rmtree(folder, ignore_errors=True))
        objective.write_weights(folder)
        first(finish)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def accepts(loss: float, state: dict, settings: dict) -> bool:
    """Not where the loss is no number or a spike: above so many times the median of the last steps, a median below 1 nat counting as 1."""
    factor, recent = settings["spikeFactor"], state["recentLosses"]
    if not math.isfinite(loss):
        return False
    if factor is None or len(recent) < FEWEST_LOSSES:
        return True
    return loss <= factor * max(LEAST_MEDIAN, sorted(recent)[len(recent) // 2])


def skips_in_a_row(skipped: list[int], next_step: int) -> int:
    """Right before the next step, since the run last paused."""
    skips = 0
    while next_step - 1 - skips in skipped:
        skips += 1
    return skips % SKIPS_BEFORE_PAUSE


def diverged(step: int, reason: str) -> PausedError:
    fact = "a loss far above those before" if reason == "spike" else "a loss or gradient that is not finite"
    return PausedError(
        f"Paused: steps {step - 1} to {step + 1} were left out, the last for {fact}. The checkpoint from before them is saved. Look at the data of "
        "these steps; the same command goes on behind them. If it pauses again, start another run with a lower lr."
    )
