/** @file One claimed run, from its downloads to its end: what the worker does while a process of its own computes. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { isDiskFull } from "@/model/checkpoint/errors";
import { baseFolderName } from "@/model/checkpoint/lineage-base";
import { manifestFileName } from "@/model/checkpoint/manifest";
import { shippedSuites } from "@/model/eval/suites/shipped-suites";
import { itemsFile, suiteFile } from "@/model/eval/suites/suite";
import { checkpointFolder } from "@/model/train/run-checkpoints";
import { endAnswer, type RunOffer } from "@/server/runs/protocol";
import { isTrainable, judgePartName, type TrainableStage } from "@/server/runs/stage-settings";
import { EventOutbox } from "./event-outbox";
import { Lease } from "./lease";
import { type ProtocolClient, Refused } from "./protocol-client";
import { cut, toProtocolEvents } from "./report-events";
import type { StageEvent, StageFailure, StageSummary, StageTask } from "./stage-messages";
import { type StageEnd, StageProcess } from "./stage-process";
import { UploadQueue } from "./upload-queue";
import type { WorkFolder } from "./work-folder";

export type TrainRunParts = {
  client: ProtocolClient;
  offer: RunOffer;
  work: WorkFolder;
  /** The compiled stage process: dist/stage.js. */
  stageEntry: string;
  isEmbedded: boolean;
  /** The worker is to end: save, give the run back. */
  stop: AbortSignal;
  say: (line: string) => void;
  /** Resident memory of the process that computes. */
  onMemory: (bytes: number) => void;
};

/** Asked in vain, and the same would be asked again. */
const ownFaults: readonly string[] = ["invalid", "tooLarge", "notFound"];
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;

/**
 * Resolves when the run is over for this worker: finished, failed, given back, or lost to another.
 * @throws {Refused} unauthorized, protocolVersion: there is no use in going on
 */
export async function trainRun(parts: TrainRunParts): Promise<void> {
  const { client, offer, work, say } = parts;
  await work.begin();
  try {
    await using held = new HeldRun(parts);
    await held.train();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.code === "unauthorized" || error.code === "protocolVersion") throw error;
    say(`Run ${offer.number} is not this worker's any more: ${error.message}`);
  } finally {
    client.onOutage = () => {};
    // A person's rows may have been erased since.
    await work.end();
  }
}

class HeldRun implements AsyncDisposable {
  readonly #parts: TrainRunParts;
  readonly #lease: Lease;
  readonly #outbox: EventOutbox;
  readonly #uploads: UploadQueue;
  /** Something else than training is to be done. */
  readonly #halt: AbortSignal;
  #tries = 0;

  constructor(parts: TrainRunParts) {
    const { client, offer, work, isEmbedded, stop } = parts;
    this.#parts = parts;
    this.#lease = new Lease(client, offer);
    const lease = this.#lease;
    this.#outbox = new EventOutbox(lease, offer.nextSequence);
    const outbox = this.#outbox;
    const folder = path.join(work.path, "outgoing");
    this.#uploads = new UploadQueue({ client, lease, outbox, offer, folder, isEmbedded });
    this.#halt = AbortSignal.any([stop, lease.ordered, lease.lost]);
    client.onOutage = (seconds) => {
      const text = `The server could not be reached for ${seconds.toFixed(1)} s. Training went on meanwhile, and nothing was lost.`;
      outbox.add({ type: "incident", what: "connectionLost", text });
    };
  }

  async train(): Promise<void> {
    try {
      await this.#train();
    } catch (error) {
      if (this.#lease.lost.aborted || (error instanceof Refused && !ownFaults.includes(error.code)))
        throw error;
      const cause = isDiskFull(error) ? "infrastructure" : "code";
      const reason = error instanceof Refused ? error.message : inspect(error);
      await this.#end("fail", { cause, reason: cut(reason, "log") });
    }
  }

  async #train(): Promise<void> {
    const { say, offer } = this.#parts;
    say(`Run ${offer.number} (${offer.name}, ${offer.stage}) is in hand.`);
    for (;;) {
      const task = await this.#prepare();
      const end = task && (await this.#compute(task));
      this.#lease.lost.throwIfAborted();
      if (this.#lease.order === "cancel") return this.#end("release", { outcome: "cancelled" });
      if (end && !(await this.#mayTryAgain(end))) return this.#finish(end);
      if (this.#halt.aborted) return this.#giveBack();
    }
  }

  /** Null: there was no room, or it is to stop. */
  async #prepare(): Promise<StageTask | null> {
    const startedAt = performance.now();
    try {
      const task = await fetchInputs(this.#parts, this.#halt);
      const seconds = (performance.now() - startedAt) / 1000;
      if (this.#tries === 0) this.#outbox.add({ type: "phase", name: "load", seconds });
      return task;
    } catch (error) {
      if (this.#halt.aborted) return null;
      if (isDiskFull(error)) {
        await this.#wait("diskFull", "The disk is full: base and data could not be fetched.");
        return null;
      }
      if (error instanceof Refused && error.code === "gone") {
        await this.#end("release", { outcome: "paused", reason: error.message });
        throw error;
      }
      throw error;
    }
  }

  async #compute(task: StageTask): Promise<StageEnd> {
    const onEvent = (event: StageEvent) => this.#note(event);
    const onSaved: ConstructorParameters<typeof StageProcess>[0]["onSaved"] = async (saved) => {
      await this.#uploads.add(saved);
      this.#tries = 0;
    };
    await using stage = new StageProcess({ entry: this.#parts.stageEntry, task, onEvent, onSaved });
    const halt = () => {
      const isUseless = this.#lease.lost.aborted || this.#lease.order === "cancel";
      if (isUseless) stage.kill();
      else stage.stop();
    };
    // A pause may be followed by a cancellation, and a stop by the loss of the lease.
    const cancelled = setInterval(() => this.#halt.aborted && halt(), 1_000);
    this.#halt.addEventListener("abort", halt, { once: true });
    if (this.#halt.aborted) halt();
    try {
      return await stage.ended;
    } finally {
      clearInterval(cancelled);
      this.#halt.removeEventListener("abort", halt);
    }
  }

  #note(event: StageEvent): void {
    if (event.type === "step") {
      this.#lease.progress = { step: event.step + 1, totalSteps: event.totalSteps };
      this.#parts.onMemory(event.memoryMb * 2 ** 20);
    }
    if (event.type === "item") this.#lease.progress = { step: event.done, totalSteps: event.totalItems };
    for (const each of toProtocolEvents(event)) {
      this.#outbox.add(each.type === "log" ? { ...each, text: this.#nameDatasets(each.text) } : each);
    }
  }

  /** People know a dataset by its name, and not the file that this machine keeps it in. */
  #nameDatasets(text: string): string {
    const { offer, work } = this.#parts;
    return offer.datasets.reduce((said, { id, name }) => said.replaceAll(work.dataFile(id), name), text);
  }

  /** Whether the machine was at fault: then it waits, and the run goes on from its last checkpoint here. */
  async #mayTryAgain(end: StageEnd): Promise<boolean> {
    if (end.type === "killed") {
      const text = `The training process was killed (${end.signal}), for want of memory as a rule. It goes on from the last checkpoint.`;
      await this.#wait("processKilled", text);
      return true;
    }
    if (end.type !== "failed" || end.failure.kind !== "diskFull") return false;
    await this.#wait("diskFull", end.failure.message);
    return true;
  }

  async #wait(what: "diskFull" | "processKilled", text: string): Promise<void> {
    const { step } = this.#lease.progress;
    this.#outbox.add({
      type: "incident",
      what,
      text: cut(text, "incident"),
      ...(step !== undefined && { step }),
    });
    this.#parts.say(text);
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** this.#tries++);
    await sleep(waitMs, undefined, { signal: this.#halt }).catch(() => {});
  }

  async #finish(end: StageEnd): Promise<void> {
    if (end.type === "ended" && end.summary.finished) {
      await this.#report();
      await this.#end("complete", await describeEnd(end.summary));
    } else if (end.type === "ended") {
      await this.#giveBack();
    } else if (end.type === "failed" && end.failure.kind === "paused") {
      await this.#pause(end.failure);
    } else {
      await this.#fail(end);
    }
  }

  async #pause({ message, rule }: Extract<StageFailure, { kind: "paused" }>): Promise<void> {
    const { step } = this.#lease.progress;
    const text = cut(message, "incident");
    if (rule !== null)
      this.#outbox.add({
        type: "incident",
        what: "guardRail",
        text,
        rule,
        ...(step !== undefined && { step }),
      });
    await this.#report();
    await this.#end("release", { outcome: "paused", reason: text });
  }

  async #fail(end: StageEnd): Promise<void> {
    const reason =
      end.type === "failed" ? end.failure.message : end.type === "crashed" ? end.reason : "It ended unasked.";
    const isUnfit = end.type === "failed" && end.failure.kind === "unfit";
    await this.#report();
    await this.#end("fail", {
      cause: isUnfit ? "unfit" : "code",
      reason: cut(this.#nameDatasets(reason), "log"),
    });
  }

  /** As asked: to pause, or because this process ends. */
  async #giveBack(): Promise<void> {
    await this.#report();
    // A pause that was taken back meanwhile is for the server to see: the run goes to the queue.
    const isStopping = this.#parts.stop.aborted && this.#lease.order === "continue";
    const outcome = isStopping ? "stopping" : "paused";
    await this.#end("release", { outcome });
  }

  /** Everything that was saved and told is there before the end is. */
  async #report(): Promise<void> {
    await this.#uploads.drain();
    await this.#outbox.drain();
  }

  async #end(how: "complete" | "release" | "fail", body: object): Promise<void> {
    const { status } = await this.#lease.post(how, body, { answer: endAnswer });
    this.#parts.say(`Run ${this.#parts.offer.number} is ${status}.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lease[Symbol.asyncDispose]();
  }
}

/** Base, checkpoints to go on from, and data in their places; nothing is fetched twice. */
async function fetchInputs({ client, offer, work }: TrainRunParts, signal: AbortSignal): Promise<StageTask> {
  const { base, lineageBase, resume, best, stage, facts } = offer;
  if (!isTrainable(stage)) throw new Error(`This worker cannot run the stage ${stage}.`);
  const output = path.join(work.path, "run");
  await work.forgetOthers(offer);
  const baseFolder = path.join(work.path, "base");
  if (base) await work.fetchCheckpoint(client, base, { target: baseFolder, signal, withState: false });
  if (lineageBase) {
    const target = path.join(baseFolder, baseFolderName);
    await work.fetchCheckpoint(client, lineageBase, { target, signal, withState: false });
  }
  for (const checkpoint of [best, resume]) {
    if (!checkpoint) continue;
    const target = checkpointFolder(path.join(output, "checkpoints"), checkpoint.step ?? 0);
    await work.fetchCheckpoint(client, checkpoint, { target, signal, withState: checkpoint === resume });
  }
  const files: Record<"data" | "pretrainMix", string[]> = { data: [], pretrainMix: [] };
  for (const dataset of offer.datasets) {
    files[dataset.role].push(await work.fetchDataset(client, dataset, signal));
  }
  const common = { ...offer.config, name: offer.name, output, data: files.data };
  const { pretrainMix, ptx, tokenizer } = offer.config;
  const mixed = pretrainMix ? { ...pretrainMix, data: files.pretrainMix } : null;
  const configs: Record<TrainableStage, Record<string, unknown>> = {
    pretrain: { ...common, tokenizer: tokenizer ?? baseFolder },
    sft: { ...common, model: baseFolder, pretrainMix: mixed },
    reward: { ...common, model: baseFolder },
    ppo: {
      ...common,
      model: baseFolder,
      ptx: ptx ? { ...ptx, data: files.pretrainMix } : null,
      ...(await fetchRewardModels({ client, offer, work }, signal)),
    },
    eval: {
      ...offer.config,
      output,
      model: baseFolder,
      suites: await fetchSuites({ client, offer, work }, signal),
    },
  };
  return { stage, config: configs[stage], facts };
}

type Inputs = Pick<TrainRunParts, "client" | "offer" | "work">;

/** Names of those that ship, and folders of the others; null: all that ship, and no others. */
async function fetchSuites({ client, offer, work }: Inputs, signal: AbortSignal): Promise<unknown> {
  const { suites: named } = offer.config;
  if (offer.suites.length === 0) return named;
  const folders = [];
  for (const name of offer.suites) {
    const folder = path.join(work.path, "suites", name);
    for (const file of [suiteFile, itemsFile])
      await client.download(`runs/${offer.id}/suites/${name}/${file}`, path.join(folder, file), {
        sha256: null,
        signal,
      });
    folders.push(folder);
  }
  return [...(Array.isArray(named) ? named : shippedSuites), ...folders];
}

/** In their places, and the settings that name them. */
async function fetchRewardModels({ client, offer, work }: Inputs, signal: AbortSignal) {
  const folders: Record<"score" | "judge", string[]> = { score: [], judge: [] };
  for (const { role, checkpoint, lineageBase } of offer.rewardModels) {
    const target = path.join(work.path, "reward-models", checkpoint.id);
    await work.fetchCheckpoint(client, checkpoint, { target, signal, withState: false });
    if (lineageBase) {
      const inside = path.join(target, baseFolderName);
      await work.fetchCheckpoint(client, lineageBase, { target: inside, signal, withState: false });
    }
    folders[role].push(target);
  }
  const [judge] = folders.judge;
  const { parts } = offer.config;
  const watching = { type: "rewardModel", name: judgePartName, weight: 0, model: judge };
  return {
    rewardModels: folders.score,
    // The server asked, by the newest report; the one in the folder may be older.
    acceptFailedProbes: true,
    ...(judge && { judge: judgePartName, parts: [...(Array.isArray(parts) ? parts : []), watching] }),
  };
}

/** The checkpoint that the run is for, by its id, and what there is to say about it. */
async function describeEnd(end: StageSummary) {
  if (end.checkpoint === null) {
    const { steps, totalSteps } = end;
    return { checkpointId: null, summary: { steps, totalSteps } };
  }
  const { checkpoint, samples: _, ...summary } = end;
  const manifest = await readFile(path.join(checkpoint, manifestFileName));
  const checkpointId = createHash("sha256").update(manifest).digest("hex");
  const { steps, totalSteps, validationLossBefore, validationLoss } = summary;
  const { heldOutScoreBefore, heldOutScore, heldOutKl } = summary;
  const ofPpo = heldOutScore === undefined ? {} : { heldOutScoreBefore, heldOutScore, heldOutKl };
  return { checkpointId, summary: { steps, totalSteps, validationLossBefore, validationLoss, ...ofPpo } };
}
