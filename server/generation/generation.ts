/** @file The policies being served: which checkpoint each channel points to, one engine per checkpoint, swap without a broken stream. */
import { randomInt } from "node:crypto";
import os from "node:os";
import process from "node:process";
import type { GenerationEvent, GenerationRequest, GeneratorInfo } from "@/model/runtime/types";
import { AppError, isAppError } from "../errors";
import { Admission, type Place } from "./admission";
import { ChatPresence } from "./chat-presence";
import type { EngineOptions } from "./protocol";
import { type EngineState, ServedCheckpoint, type ServedOptions } from "./served-checkpoint";
import { type ChannelTarget, chooseChannel } from "./traffic-split";

/** A channel's checkpoint at the moment of asking, or a checkpoint by its id. */
export type Target = { channel: string } | { checkpointId: string };

export type CheckpointPlace = {
  name: string;
  /** Absolute. */
  folder: string;
  /** Where the base of an adapter may lie; see `openCheckpoint`. */
  basePlaces: readonly string[];
  /** With the base of an adapter. */
  sizeBytes: number;
};

export type GenerationOptions = {
  /** The compiled engine: dist/engine.js. */
  engineEntry: string;
  engine: EngineOptions;
  /** Looks a checkpoint up in the registry. @throws {AppError} NOT_FOUND */
  locate: (checkpointId: string) => Promise<CheckpointPlace>;
  onLog: ServedOptions["onLog"];
  observer: GenerationObserver;
};

/** Told about every request of chat, for metrics; background work, which waits on purpose, would spoil them. */
export type GenerationObserver = {
  firstToken(seconds: number): void;
  token(): void;
  ended(outcome: "stop" | "length" | "cancelled" | "failed"): void;
};

export type EngineStatus = {
  checkpointId: string;
  name: string | null;
  channels: string[];
  state: EngineState;
  pid: number | null;
  running: number;
  waiting: number;
  restarts: number;
  rssBytes: number;
  lastError: string | null;
  contextLength: number | null;
  /** What the engine told when it had loaded; null before. */
  info: GeneratorInfo | null;
};

export type Switch = {
  checkpointId: string;
  trafficShare?: number;
  /** The old one is unloaded before the new one is loaded; who asks meanwhile waits. For machines that cannot hold both. */
  isCold?: boolean;
  /** Channels that are no more once it is done; asked after `commit`. */
  closes?: () => readonly string[];
  /** Writes it down; when it throws nothing has changed. */
  commit: () => Promise<void>;
};

/** Whether a checkpoint can be loaded beside those that are. */
export type Room = { fits: boolean; neededBytes: number; freeBytes: number };

export type Answering = {
  checkpoint: { id: string; name: string };
  events: AsyncGenerator<GenerationEvent, void, void>;
};

/** An engine that belongs to no channel is unloaded after so long without a request. */
const idleUnloadMs = 10 * 60 * 1000;
/** What an engine needs beyond its weights: runtime, caches, the copy made while loading. */
const memoryBesideWeightsBytes = 400e6;

export class Generation implements AsyncDisposable {
  readonly presence = new ChatPresence();
  readonly #options: GenerationOptions;
  readonly #channels = new Map<string, ChannelTarget>();
  readonly #served = new Map<string, ServedCheckpoint>();
  readonly #admission = new Admission();
  readonly #idleSweep: NodeJS.Timeout;
  #roomMaking: Promise<unknown> = Promise.resolve();
  #switching: Promise<unknown> = Promise.resolve();
  /** Policies that are being switched to the cold way: who asks waits until it is written down. */
  readonly #uncommitted = new Map<string, ReturnType<typeof withResolvers>>();
  #restartsOfClosed = 0;

  constructor(options: GenerationOptions) {
    this.#options = options;
    this.#idleSweep = setInterval(() => this.#unloadIdle(), 60_000);
    this.#idleSweep.unref();
  }

  /** At boot: where channels point, and their engines begin to load. Does not wait for them. */
  openChannels(channels: ReadonlyMap<string, ChannelTarget>): void {
    for (const [channel, target] of channels) {
      this.#channels.set(channel, target);
      this.#obtain(target.checkpointId);
    }
  }

  /** @throws {AppError} TOO_MANY_REQUESTS, UNAVAILABLE */
  admit(userId: string): Place {
    return this.#admission.admit(userId);
  }

  /** Ends all answers of a person who was disabled or deleted: in chats, temporary ones and over the API. */
  expel(userId: string): void {
    this.#admission.expel(userId);
  }

  /** The checkpoint that would answer now. @throws {AppError} NOT_FOUND for unknown channels */
  resolve(target: Target): string {
    if ("checkpointId" in target) return target.checkpointId;
    const found = this.#channels.get(target.channel);
    if (!found) throw new AppError("NOT_FOUND", `No checkpoint is on channel “${target.channel}”.`);
    return found.checkpointId;
  }

  /**
   * The channel that answers this conversation when it asks for `channel`, and its checkpoint now.
   * @param conversation the same for all of its questions. @throws {AppError} NOT_FOUND for unknown channels
   */
  route(channel: string, conversation: string): { channel: string; checkpointId: string } {
    const chosen = chooseChannel(this.#channels, channel, conversation);
    return { channel: chosen, checkpointId: this.resolve({ channel: chosen }) };
  }

  /**
   * Answers a request; loads the checkpoint first if it must. Releases `place` at the end of `events`, which must be read.
   * Aborting `signal` ends them within one token.
   * @throws {AppError} NOT_FOUND, at once or from `events`; UNAVAILABLE, EngineCrashed, EngineRefused from `events`
   */
  generate(
    target: Target,
    request: GenerationRequest,
    { place, signal }: { place: Place; signal?: AbortSignal | undefined },
  ): Answering {
    let id: string;
    try {
      id = this.resolve(target);
    } catch (error) {
      place.release();
      throw error;
    }
    const served = this.#obtain(id);
    const seeded = {
      ...request,
      sampling: { ...request.sampling, seed: request.sampling.seed ?? drawSeed() },
    };
    return {
      get checkpoint() {
        return { id, name: served.info?.name ?? "" };
      },
      events: this.#observe(served, seeded, {
        place,
        signal: signal ? AbortSignal.any([place.signal, signal]) : place.signal,
      }),
    };
  }

  /** Resolves when the checkpoint is loaded. @throws {AppError} with the reason, when it cannot be */
  async load(checkpointId: string): Promise<void> {
    await this.#obtain(checkpointId).ready();
  }

  /**
   * Swaps a channel's checkpoint without breaking a stream: loads and warms the new one beside the old one, lets `commit`
   * write it down, flips the pointer, and unloads the old engine once its answers have ended (not awaited). One at a time.
   * @throws {AppError} when the new one cannot be loaded; whatever `commit` throws. The old one stays live then.
   */
  pointChannel(channel: string, to: Switch): Promise<void> {
    return this.#inTurn(async () => {
      const target = { checkpointId: to.checkpointId, trafficShare: to.trafficShare ?? 0 };
      const before = this.#channels.get(channel);
      if (to.isCold && before && before.checkpointId !== to.checkpointId) {
        await this.#switchCold(channel, { target, before, commit: to.commit });
      } else {
        const served = this.#obtain(to.checkpointId);
        await served.ready();
        await warm(served);
        await to.commit();
        this.#channels.set(channel, target);
      }
      for (const closed of to.closes?.() ?? []) this.#leave(closed);
      if (before && before.checkpointId !== to.checkpointId) void this.#retire(before.checkpointId);
    });
  }

  /** Changes what share of conversations a channel answers. */
  shareTraffic(channel: string, trafficShare: number, commit: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await commit();
      const target = this.#channels.get(channel);
      if (target) this.#channels.set(channel, { ...target, trafficShare });
    });
  }

  /** Its conversations go on with `live`; its engine is unloaded once its answers have ended. */
  closeChannel(channel: string, commit: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await commit();
      this.#leave(channel);
    });
  }

  /** Counts what nobody uses as free: it would be unloaded. */
  async roomFor(checkpointId: string): Promise<Room> {
    if (this.#served.get(checkpointId)?.state === "ready")
      return { fits: true, neededBytes: 0, freeBytes: availableMemoryBytes() };
    const { sizeBytes } = await this.#options.locate(checkpointId);
    const unused = [...this.#served.values()].filter((served) => this.#isUnused(served));
    const freeBytes = unused.reduce((sum, { rssBytes }) => sum + rssBytes, availableMemoryBytes());
    const neededBytes = sizeBytes + memoryBesideWeightsBytes;
    return { fits: freeBytes >= neededBytes, neededBytes, freeBytes };
  }

  hasChannel(channel: string): boolean {
    return this.#channels.has(channel);
  }

  channelsOf(checkpointId: string): string[] {
    return [...this.#channels]
      .filter(([, target]) => target.checkpointId === checkpointId)
      .map(([channel]) => channel);
  }

  /** Whether the checkpoint answers now; null = no engine holds it. */
  stateOf(checkpointId: string): { state: EngineState; waiting: number; lastError: string | null } | null {
    return this.#served.get(checkpointId) ?? null;
  }

  status(): EngineStatus[] {
    return [...this.#served.values()].map((served) => ({
      checkpointId: served.checkpointId,
      name: served.info?.name ?? null,
      channels: this.channelsOf(served.checkpointId),
      state: served.state,
      pid: served.pid ?? null,
      running: served.running,
      waiting: served.waiting,
      restarts: served.restarts,
      rssBytes: served.rssBytes,
      lastError: served.lastError,
      contextLength: served.info?.contextLength ?? null,
      info: served.info,
    }));
  }

  /** Since the process started, engines since unloaded included. */
  get restarts(): number {
    return [...this.#served.values()].reduce((sum, { restarts }) => sum + restarts, this.#restartsOfClosed);
  }

  /** Nothing new is admitted; what runs may go on. */
  refuseNew(): void {
    this.#admission.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.refuseNew();
    clearInterval(this.#idleSweep);
    await Promise.all([...this.#served.values()].map((served) => served.close()));
  }

  #obtain(checkpointId: string): ServedCheckpoint {
    const present = this.#served.get(checkpointId);
    if (present) return present;
    const { engineEntry, engine, onLog } = this.#options;
    const served = new ServedCheckpoint({
      checkpointId,
      entry: engineEntry,
      options: engine,
      prepare: () => this.#prepare(checkpointId),
      onLog,
    });
    this.#served.set(checkpointId, served);
    return served;
  }

  async *#observe(
    served: ServedCheckpoint,
    request: GenerationRequest,
    { place, signal }: { place: Place; signal: AbortSignal },
  ): AsyncGenerator<GenerationEvent, void, void> {
    const isChat = request.priority !== "background";
    const observer = isChat ? this.#options.observer : silent;
    const leave = isChat ? this.presence.enter(served.checkpointId) : () => {};
    const askedAt = performance.now();
    let hasToken = false;
    let outcome: Parameters<GenerationObserver["ended"]>[0] = "cancelled";
    try {
      await this.#committed(served.checkpointId, signal);
      for await (const event of served.generate(request, { userId: place.userId, signal })) {
        if (event.type === "token") {
          if (!hasToken) observer.firstToken((performance.now() - askedAt) / 1000);
          hasToken = true;
          observer.token();
        }
        if (event.type === "finished") outcome = event.reason;
        yield event;
      }
    } catch (error) {
      outcome = "failed";
      throw error;
    } finally {
      leave();
      observer.ended(outcome);
      place.release();
    }
  }

  /** One at a time: two engines that measure the free memory at once would both take it. */
  #prepare(checkpointId: string): Promise<CheckpointPlace> {
    const prepared = this.#roomMaking.then(async () => {
      const place = await this.#options.locate(checkpointId);
      if (!this.#isOnChannel(checkpointId)) await this.#makeRoom(place);
      return place;
    });
    this.#roomMaking = prepared.catch(() => {});
    return prepared;
  }

  /** Unloads what nobody uses, least recently used first, until the checkpoint fits. */
  async #makeRoom({ name, sizeBytes }: CheckpointPlace): Promise<void> {
    const neededBytes = sizeBytes + memoryBesideWeightsBytes;
    while (availableMemoryBytes() < neededBytes) {
      const [idle] = [...this.#served.values()]
        .filter((served) => served.state === "ready" && this.#isUnused(served))
        .sort((a, b) => a.lastUsedAt - b.lastUsedAt);
      if (!idle) {
        throw new AppError(
          "UNAVAILABLE",
          `${name} needs about ${megabytes(neededBytes)} MB of memory and ${megabytes(availableMemoryBytes())} MB are free.`,
        );
      }
      await this.#unload(idle);
    }
  }

  #isOnChannel(checkpointId: string): boolean {
    return this.channelsOf(checkpointId).length > 0;
  }

  #isUnused(served: ServedCheckpoint): boolean {
    return !this.#isOnChannel(served.checkpointId) && served.running + served.waiting === 0;
  }

  /** Two switches at once could leave memory and database pointing to different ones. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#switching.then(work);
    this.#switching = done.catch(() => {});
    return done;
  }

  /**
   * Whoever asks from now on waits for the new one, which may not begin to load before the memory of the old one is free, and
   * answers nobody before it is written down. The old one is back, after the time to load it, when the new one cannot be loaded or written down.
   */
  async #switchCold(
    channel: string,
    { target, before, commit }: { target: ChannelTarget; before: ChannelTarget; commit: () => Promise<void> },
  ): Promise<void> {
    const old = this.#served.get(before.checkpointId);
    const isNew = !this.#isOnChannel(target.checkpointId);
    const committed = withResolvers();
    if (isNew) this.#uncommitted.set(target.checkpointId, committed);
    this.#channels.set(channel, target);
    this.#roomMaking = this.#roomMaking.then(async () => {
      if (!old || this.#isOnChannel(before.checkpointId)) return;
      await old.drained();
      if (this.#served.get(before.checkpointId) === old) await this.#unload(old);
    });
    try {
      const served = this.#obtain(target.checkpointId);
      await served.ready();
      await warm(served);
      await commit();
      committed.resolve();
    } catch (error) {
      committed.reject(
        new AppError("UNAVAILABLE", "The policy that was to answer did not go live. Try again.", {
          cause: error,
        }),
      );
      this.#channels.set(channel, before);
      void this.#retire(target.checkpointId);
      this.#obtain(before.checkpointId);
      throw error;
    } finally {
      if (isNew) this.#uncommitted.delete(target.checkpointId);
    }
  }

  /** At once, but for a policy that is being switched to. @throws {AppError} UNAVAILABLE where it did not go live */
  async #committed(checkpointId: string, signal: AbortSignal): Promise<void> {
    const uncommitted = this.#uncommitted.get(checkpointId);
    if (!uncommitted || signal.aborted) return;
    const { promise: aborted, resolve } = withResolvers();
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([uncommitted.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #leave(channel: string): void {
    const target = this.#channels.get(channel);
    this.#channels.delete(channel);
    if (target) void this.#retire(target.checkpointId);
  }

  async #retire(checkpointId: string): Promise<void> {
    const served = this.#served.get(checkpointId);
    if (!served) return;
    await served.drained();
    if (this.#served.get(checkpointId) === served && this.#isUnused(served)) await this.#unload(served);
  }

  #unloadIdle(): void {
    const before = Date.now() - idleUnloadMs;
    for (const served of this.#served.values()) {
      if (served.lastUsedAt < before && this.#isUnused(served)) void this.#unload(served);
    }
  }

  async #unload(served: ServedCheckpoint): Promise<void> {
    // Out of the map first: a request that comes now loads it anew instead of meeting a closing engine.
    this.#served.delete(served.checkpointId);
    this.#restartsOfClosed += served.restarts;
    await served.close();
  }
}

/** Of ES2024, which Node 20 has not. A rejection that nobody waits for is no fault. */
function withResolvers() {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<void>((done, fail) => {
    resolve = done;
    reject = fail;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

const silent: GenerationObserver = { firstToken() {}, token() {}, ended() {} };

/**
 * The first run builds caches and touches all weights; better here than in somebody's chat.
 * @throws {AppError} UNAVAILABLE, with the reason, when it cannot answer
 */
async function warm(served: ServedCheckpoint): Promise<void> {
  const request: GenerationRequest = {
    messages: [{ role: "user", content: "Hello" }],
    sampling: {
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      repetitionPenalty: 1,
      maxTokens: 1,
      stop: [],
      seed: 0,
    },
  };
  try {
    for await (const _event of served.generate(request, { userId: "warm-up" }));
  } catch (error) {
    if (isAppError(error)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new AppError("UNAVAILABLE", `The model was loaded and cannot answer: ${why}`, { cause: error });
  }
}

/** Within what the database stores beside the answer. */
const drawSeed = () => randomInt(2 ** 31 - 1);

/** Containers have a limit below the machine's. */
function availableMemoryBytes(): number {
  return Math.min(process.availableMemory(), os.totalmem());
}

const megabytes = (bytes: number) => Math.round(bytes / 1e6).toLocaleString("en");
