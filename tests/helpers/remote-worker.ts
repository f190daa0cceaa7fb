/** @file The fake worker on another machine: it reaches a real server over http, and its checkpoints are copies of the base, so that they chat. */
import { createHash } from "node:crypto";
import { protocolHeader, type RunOffer } from "@/server/runs/protocol";
import { FakeWorker } from "./fake-worker";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export class RemoteWorker extends FakeWorker {
  constructor(
    readonly url: string,
    token: string,
  ) {
    super(token, "");
  }

  override send(method: "GET" | "POST" | "PUT", at: string, options: RequestInit = {}): Promise<Response> {
    const headers = {
      authorization: `Bearer ${this.token}`,
      [protocolHeader]: this.version,
      ...options.headers,
    };
    return fetch(`${this.url}/api/worker/${at}`, { ...options, method, headers });
  }

  /** Asks until there is a run. */
  async claimSoon(): Promise<RunOffer> {
    for (let i = 0; i < 100; i++) {
      const run = await this.tryClaim();
      if (run) return run;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error("No run came within ten seconds.");
  }

  /** @returns the checkpoint's id */
  async uploadCopyOfBase(
    run: RunOffer,
    { step, isBest }: { step: number; isBest: boolean },
  ): Promise<string> {
    const { "attune.json": _, ...files } = run.base?.files ?? {};
    const state = JSON.stringify({ step });
    const manifest = JSON.stringify({
      formatVersion: 1,
      name: run.name,
      stage: run.stage,
      ...run.facts,
      // Of the same weights at another step: another checkpoint.
      sourceRevision: `step ${step}`,
      threadCount: run.config.threads,
      files,
    });
    const opened = await this.post<{
      uploadId: string;
      checkpointId: string;
      missing: Record<string, number[]>;
    }>(`runs/${run.id}/uploads`, {
      fencing: run.fencing,
      step,
      isBest,
      manifest,
      state: { "state/state.json": { sha256: sha256(state), sizeBytes: state.length } },
    });
    if (opened.status !== 200) throw new Error(`Opening the upload failed: ${JSON.stringify(opened.body)}`);
    const { uploadId, checkpointId, missing } = opened.body;
    for (const file of Object.keys(missing)) {
      const sent = await this.put(run, uploadId, { file, part: 0, bytes: Buffer.from(state) });
      if (sent.status !== 200) throw new Error(`Sending ${file} failed: ${JSON.stringify(sent.body)}`);
    }
    const ended = await this.post(`uploads/${uploadId}/complete`, { fencing: run.fencing });
    if (ended.status !== 200) throw new Error(`Ending the upload failed: ${JSON.stringify(ended.body)}`);
    return checkpointId;
  }

  /** Steps from..to, as a model that learns would report them; samples and a validation loss at the last. */
  async train(
    run: RunOffer,
    { from, to, totalSteps, sequence }: { from: number; to: number; totalSteps: number; sequence: number },
  ): Promise<number> {
    const events: object[] = [];
    let next = sequence;
    const add = (event: object) => events.push({ sequence: next++, ...event });
    for (let step = from; step <= to; step++) {
      add({
        type: "metrics",
        step,
        values: {
          loss: 1 + 3 * Math.exp(-step / 15) + 0.1 * Math.sin(step),
          lr: 2e-4 * (1 - step / (2 * totalSteps)),
          gradientNorm: 0.5 + 1 / (1 + step),
          tokensPerSecond: 240 + (step % 5),
          memoryBytes: 812e6,
          tokensSeen: step * 900,
          epoch: 0,
        },
      });
    }
    add({ type: "metrics", step: to, values: { validationLoss: 1.1 + 3 * Math.exp(-to / 15) } });
    for (const prompt of ["What is a rainbow?", "Say hello."]) {
      add({ type: "sample", step: to, prompt, response: `Said at step ${to}.` });
    }
    add({ type: "phase", name: "evaluate", seconds: 1.5, step: to });
    add({ type: "log", level: "info", text: `Evaluated at step ${to}.` });
    const sent = await this.events(run, events, { totalSteps });
    if (sent.status !== 200) throw new Error(`Telling failed: ${JSON.stringify(sent.body)}`);
    return next;
  }
}
