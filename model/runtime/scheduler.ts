/**
 * @file Shares a model's slots among sequences: continuous batching (Orca, Yu et al. 2022). Each round reads one chunk of
 * one prompt, then decodes one token of every sequence that is ready, so a long prompt holds nobody up for longer than
 * a chunk. Chat goes before background work, which keeps its place but waits while any chat is being answered.
 */
import { setImmediate } from "node:timers/promises";
import { createSampler } from "./sampling";
import type { Sequence } from "./sequence";
import type { SlotModel } from "./slot-model";

/** The generator was disposed while a request was being answered. */
export class GeneratorClosedError extends Error {
  override readonly name = "GeneratorClosedError";
  constructor() {
    super("The generator was closed before the answer was finished.");
  }
}

type Slot = {
  readonly index: number;
  /** What its cache holds; kept after a sequence has ended, for the next one that begins the same way. */
  cached: number[];
  sequence: Sequence | null;
  /** The round in which it last read a chunk of a prompt. */
  lastRead: number;
};

export class Scheduler implements AsyncDisposable {
  readonly #model: SlotModel;
  readonly #sample: ReturnType<typeof createSampler>;
  readonly #slots: Slot[];
  readonly #idleCacheBytes: number;
  /** In order of arrival; sequences that lost their slot stand in front. */
  #waiting: Sequence[] = [];
  #rounds: Promise<void> | null = null;
  #isClosed = false;
  #round = 0;

  /** @param idleCacheBytes above this, what ended sequences left in the cache is dropped, the longest first */
  constructor(model: SlotModel, { idleCacheBytes = 256 * 2 ** 20 } = {}) {
    this.#model = model;
    this.#idleCacheBytes = idleCacheBytes;
    this.#sample = createSampler(model.vocabularySize);
    this.#slots = Array.from({ length: model.slots }, (_, index) => ({
      index,
      cached: [],
      sequence: null,
      lastRead: 0,
    }));
  }

  /** Its events tell how it goes. Setting `isCancelled` ends it within one token. */
  add(sequence: Sequence): void {
    if (this.#isClosed) {
      sequence.fail(new GeneratorClosedError());
      return;
    }
    this.#waiting.push(sequence);
    this.#rounds ??= this.#run().finally(() => {
      this.#rounds = null;
    });
  }

  /** Fails what is unfinished; resolves when the model is not in use any more. Leaves the model to its owner. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#rounds;
    for (const sequence of this.#all()) sequence.fail(new GeneratorClosedError());
  }

  async #run(): Promise<void> {
    // Requests of the same moment begin together; between rounds, messages and timers get their turn.
    for (await setImmediate(); !this.#isClosed && this.#all().length > 0; await setImmediate()) {
      this.#endCancelled();
      this.#assignSlots();
      await this.#advance();
      this.#releaseEnded();
    }
  }

  #all(): Sequence[] {
    return [...this.#waiting, ...this.#slots.flatMap(({ sequence }) => sequence ?? [])];
  }

  #endCancelled(): void {
    for (const sequence of this.#all()) if (sequence.isCancelled) sequence.end("cancelled");
    this.#releaseEnded();
  }

  #releaseEnded(): void {
    this.#waiting = this.#waiting.filter(({ isEnded }) => !isEnded);
    for (const slot of this.#slots) if (slot.sequence?.isEnded) slot.sequence = null;
    this.#dropIdle();
  }

  #dropIdle(): void {
    const idle = this.#slots
      .filter(({ sequence, cached }) => sequence === null && cached.length > 0)
      .sort((a, b) => a.cached.length - b.cached.length);
    while (this.#model.cacheBytes > this.#idleCacheBytes) {
      const longest = idle.pop();
      if (!longest) return;
      this.#keep(longest, 0);
    }
  }

  #assignSlots(): void {
    const chats = this.#waiting.filter(({ priority }) => priority === "chat");
    const background = this.#waiting.filter(({ priority }) => priority === "background");
    const queue = [...chats, ...(this.#hasChat() ? [] : background)];
    for (const sequence of queue) {
      const slot =
        this.#freeSlot(sequence) ?? (sequence.priority === "chat" ? this.#takeFromBackground() : null);
      if (!slot) break;
      this.#give(slot, sequence);
    }
    this.#waiting.forEach((sequence, index) => {
      sequence.waitAt(index + 1);
    });
  }

  #hasChat(): boolean {
    return this.#all().some(({ priority }) => priority === "chat");
  }

  /** The free slot that has cached most of the sequence already. */
  #freeSlot(sequence: Sequence): Slot | null {
    const free = this.#slots.filter((slot) => slot.sequence === null);
    const reuse = (slot: Slot) => commonLength(slot.cached, sequence.tokens);
    // Of equal ones the emptiest, so that other conversations keep theirs.
    return free.sort((a, b) => reuse(b) - reuse(a) || a.cached.length - b.cached.length)[0] ?? null;
  }

  /** Background work loses its slot, not its text: it reads its own answer again when it is back. */
  #takeFromBackground(): Slot | null {
    const slot = this.#slots.findLast(({ sequence }) => sequence?.priority === "background");
    if (!slot?.sequence) return null;
    this.#waiting.unshift(slot.sequence);
    slot.sequence = null;
    return slot;
  }

  #give(slot: Slot, sequence: Sequence): void {
    this.#waiting = this.#waiting.filter((other) => other !== sequence);
    slot.sequence = sequence;
    // The last token is always read again: its logits are what comes next.
    this.#keep(slot, Math.min(commonLength(slot.cached, sequence.tokens), sequence.tokens.length - 1));
    sequence.start();
  }

  #keep(slot: Slot, length: number): void {
    this.#model.truncate(slot.index, length);
    slot.cached.length = length;
  }

  /** One chunk of one prompt, then one token for everybody who is ready. */
  async #advance(): Promise<void> {
    const hasChat = this.#hasChat();
    const active = this.#slots.flatMap((slot) => {
      const { sequence } = slot;
      const isServed = sequence && !sequence.isEnded && (sequence.priority === "chat" || !hasChat);
      return isServed ? [{ slot, sequence, unread: sequence.tokens.length - slot.cached.length }] : [];
    });
    const decoding = active.filter(({ unread }) => unread === 1);
    const reading = active.filter(({ unread }) => unread > 1);
    const next = reading.sort((a, b) => a.slot.lastRead - b.slot.lastRead)[0];
    if (next) await this.#guarded([next], () => this.#prefill(next));
    if (decoding.length > 0) await this.#guarded(decoding, () => this.#decode(decoding));
  }

  async #prefill({ slot, sequence }: Active): Promise<void> {
    slot.lastRead = ++this.#round;
    this.#borrow(slot, sequence);
    const unread = sequence.tokens.length - slot.cached.length;
    const chunk = sequence.tokens.slice(slot.cached.length, slot.cached.length + this.#model.chunkTokens);
    const logits = await this.#model.prefill(slot.index, chunk);
    slot.cached.push(...chunk);
    if (chunk.length === unread) this.#extend(sequence, logits);
  }

  /** What another slot has read of the same beginning is copied, which costs next to nothing: several answers to one prompt. */
  #borrow(slot: Slot, { tokens }: Sequence): void {
    // The last token is always read: its logits are what comes next.
    const most = tokens.length - 1;
    const common = (other: Slot) => Math.min(most, commonLength(other.cached, tokens));
    const [best] = this.#slots.toSorted((a, b) => common(b) - common(a));
    if (!best || common(best) <= slot.cached.length) return;
    this.#model.copy(best.index, slot.index, common(best));
    slot.cached = tokens.slice(0, common(best));
  }

  async #decode(rows: Active[]): Promise<void> {
    const inputs = rows.map(({ slot, sequence }) => ({
      slot: slot.index,
      tokenId: sequence.tokens.at(-1) ?? 0,
    }));
    const logits = await this.#model.decode(inputs);
    rows.forEach(({ slot, sequence }, row) => {
      slot.cached.push(inputs[row]?.tokenId ?? 0);
      this.#extend(sequence, logits[row] as Float32Array);
    });
  }

  /** What was computed for an answer that has been cancelled meanwhile is dropped. */
  #extend(sequence: Sequence, logits: Float32Array): void {
    if (sequence.isCancelled) sequence.end("cancelled");
    else sequence.extend(logits, this.#sample);
  }

  /** A failing run costs the sequences that were in it, and what their slots had cached; the others go on. */
  async #guarded(rows: Active[], run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      for (const { slot, sequence } of rows) {
        sequence.fail(error);
        this.#keep(slot, 0);
      }
    }
  }
}

/** A sequence that is served in this round; `unread` of its tokens are not in the slot's cache yet. */
type Active = { slot: Slot; sequence: Sequence; unread: number };

function commonLength(a: readonly number[], b: readonly number[]): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}
