/**
 * @file What is to be reported, numbered, and kept until the server has it. In memory alone: everything up to a checkpoint
 * is acknowledged before that checkpoint's upload ends, and what comes after it is computed and reported again by whoever
 * goes on from there.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { eventsAnswer, maxEventsPerRequest, maxMessageBytes, type WorkerEvent } from "@/server/runs/protocol";
import type { Lease } from "./lease";
import { Refused } from "./protocol-client";

type Unnumbered<E> = E extends WorkerEvent ? Omit<E, "sequence"> : never;
export type NewEvent = Unnumbered<WorkerEvent>;

/** Metrics of quick steps go together. */
const gatherMs = 400;

export class EventOutbox {
  readonly #lease: Lease;
  readonly #kept: WorkerEvent[] = [];
  #next: number;
  #sending: Promise<void> | null = null;

  constructor(lease: Lease, nextSequence: number) {
    this.#lease = lease;
    this.#next = nextSequence;
  }

  add(event: NewEvent): void {
    this.#kept.push({ ...event, sequence: this.#next++ } as WorkerEvent);
    // A failure is met by whoever drains; without anybody it must not end the process.
    this.#start(gatherMs).catch(() => {});
  }

  /** Resolves when everything added so far is stored. @throws the reason the lease was lost for; {Refused} */
  async drain(): Promise<void> {
    const last = this.#next;
    while ((this.#kept[0]?.sequence ?? last) < last) await this.#start(0);
  }

  #start(waitMs: number): Promise<void> {
    this.#sending ??= this.#send(waitMs).finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  async #send(waitMs: number): Promise<void> {
    if (waitMs > 0) await sleep(waitMs);
    while (this.#kept.length > 0) {
      const events = this.#batch();
      const { totalSteps } = this.#lease.progress;
      const body = { events, ...(totalSteps !== undefined && { totalSteps }) };
      const expected = await this.#lease.post("events", body, { answer: eventsAnswer }).then(
        ({ nextSequence }) => nextSequence,
        (error: unknown) => {
          if (error instanceof Refused && error.code === "eventGap") return Number(error.facts.expected);
          throw error;
        },
      );
      const known = this.#kept.findIndex(({ sequence }) => sequence >= expected);
      const isGap = expected < (this.#kept[0]?.sequence ?? expected);
      if (isGap)
        throw new Error(`The server waits for event ${expected}, which was acknowledged and is gone.`);
      this.#kept.splice(0, known < 0 ? this.#kept.length : known);
    }
  }

  /** As many as fit one message; always one. */
  #batch(): WorkerEvent[] {
    let bytes = 0;
    const room = maxMessageBytes - 10_000;
    const end = this.#kept.findIndex((event, i) => {
      bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
      return i > 0 && (i >= maxEventsPerRequest || bytes > room);
    });
    return this.#kept.slice(0, end < 0 ? undefined : end);
  }
}
