/** @file One lease of a run, seen from the worker: heartbeats, what people want of the run, and whether it is still ours. */
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { heartbeatAnswer, type Order, type RunOffer } from "@/server/runs/protocol";
import { type ProtocolClient, Refused } from "./protocol-client";

/** Orders are told by heartbeats; nobody likes to wait for a pause. */
const longestBeatSeconds = 5;

export class Lease implements AsyncDisposable {
  /** Aborted when the run is another's, or cannot be gone on with; its reason says why. */
  readonly lost: AbortSignal;
  /** Aborted at the first order that is not `continue`. */
  readonly ordered: AbortSignal;
  order: Order = "continue";
  /** Reported with each heartbeat. */
  progress: { step?: number; totalSteps?: number } = {};

  readonly #client: ProtocolClient;
  readonly #offer: RunOffer;
  readonly #lost = new AbortController();
  readonly #ordered = new AbortController();
  readonly #over = new AbortController();
  readonly #beating: Promise<void>;

  constructor(client: ProtocolClient, offer: RunOffer) {
    this.#client = client;
    this.#offer = offer;
    this.lost = this.#lost.signal;
    this.ordered = this.#ordered.signal;
    this.#beating = this.#beat();
  }

  /** A message about this run. @throws {Refused}, or the reason the lease was lost for */
  async post<S extends z.ZodType>(
    what: string,
    body: object,
    { answer, signal = this.lost }: { answer: S; signal?: AbortSignal },
  ): Promise<z.output<S>> {
    return this.watch(() =>
      this.#client.post(
        `runs/${this.#offer.id}/${what}`,
        { fencing: this.#offer.fencing, ...body },
        { answer, signal },
      ),
    );
  }

  /** Notices in any answer that the run is not ours any more. */
  async watch<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      const isGone =
        error instanceof Refused && ["leaseLost", "unauthorized", "protocolVersion"].includes(error.code);
      if (isGone) this.#lost.abort(error);
      throw error;
    }
  }

  async #beat(): Promise<void> {
    const everyMs = Math.min(longestBeatSeconds, this.#offer.heartbeatSeconds) * 1000;
    const signal = AbortSignal.any([this.#over.signal, this.lost]);
    while (!signal.aborted) {
      try {
        const { order } = await this.post("heartbeat", this.progress, { answer: heartbeatAnswer, signal });
        this.order = order;
        if (order !== "continue") this.#ordered.abort();
        await sleep(everyMs, undefined, { signal });
      } catch (error) {
        if (signal.aborted) return;
        // An answer that is none of the protocol's: whoever that is, the run cannot be held there.
        if (!(error instanceof Refused)) this.#lost.abort(error);
        // A heartbeat that the server takes for wrong: others will say so as well.
        await sleep(everyMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** No more heartbeats. The lease itself ends by release, complete or fail, or by silence. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#beating;
  }
}
