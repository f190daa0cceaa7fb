/** @file A worker that trains nothing: it speaks the protocol, request by request, through the real route. */
import { createHash, randomUUID } from "node:crypto";
import { manifestFileName } from "@/model/checkpoint/manifest";
import {
  type ClaimAnswer,
  type EventsAnswer,
  type HeartbeatAnswer,
  partBytes,
  partDigestHeader,
  protocolHeader,
  protocolVersion,
  type RunOffer,
} from "@/server/runs/protocol";

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");

export type Answer<T = Record<string, unknown>> = { status: number; body: T };
type Refused = { error: { code: string; message: string; [fact: string]: unknown } };

export class FakeWorker {
  /** Of this process of it; another one is another process. */
  session = randomUUID();
  version = String(protocolVersion);
  stages: string[] = ["sft", "pretrain"];
  capabilities = { device: "cpu", memoryBytes: 8e9, threads: 2 };

  constructor(
    public token: string,
    readonly id: string,
  ) {}

  /** Any request, as it is. */
  async send(method: "GET" | "POST" | "PUT", at: string, options: RequestInit = {}): Promise<Response> {
    const route = await import("@/app/api/worker/[...path]/route");
    const headers = {
      authorization: `Bearer ${this.token}`,
      [protocolHeader]: this.version,
      ...options.headers,
    };
    return route[method](new Request(`http://localhost/api/worker/${at}`, { ...options, method, headers }));
  }

  async post<T = Record<string, unknown>>(at: string, body: unknown): Promise<Answer<T & Partial<Refused>>> {
    const response = await this.send("POST", at, { body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as T & Partial<Refused> };
  }

  /** @throws when there is no run for it */
  async claim(): Promise<RunOffer> {
    const run = await this.tryClaim();
    if (!run) throw new Error("There was no run to claim.");
    return run;
  }

  async tryClaim(): Promise<RunOffer | null> {
    const { session, stages, capabilities } = this;
    const { status, body } = await this.post<ClaimAnswer>("claim", {
      session,
      stages,
      capabilities,
      versions: { fake: "1" },
    });
    if (status !== 200) throw new Error(`Claiming failed: ${JSON.stringify(body)}`);
    return body.run;
  }

  heartbeat(run: RunOffer, progress: object = {}) {
    return this.post<HeartbeatAnswer>(`runs/${run.id}/heartbeat`, { fencing: run.fencing, ...progress });
  }

  events(run: RunOffer, events: object[], rest: object = {}) {
    return this.post<EventsAnswer>(`runs/${run.id}/events`, { fencing: run.fencing, events, ...rest });
  }

  end(run: RunOffer, how: "release" | "complete" | "fail", rest: object) {
    return this.post(`runs/${run.id}/${how}`, { fencing: run.fencing, ...rest });
  }

  /** What a checkpoint of this run is made of. `weights` makes it another one. */
  checkpoint(run: RunOffer, { weights, state = "state" }: { weights: Uint8Array | string; state?: string }) {
    const files = {
      "config.json": Buffer.from(`${JSON.stringify({ model_type: "fake" }, null, 2)}\n`),
      "model.safetensors": Buffer.from(weights),
    };
    const stateFiles = { "state/state.json": Buffer.from(state) };
    const facts = (of: Record<string, Buffer>) =>
      Object.fromEntries(
        Object.entries(of).map(([name, bytes]) => [name, { sha256: sha256(bytes), sizeBytes: bytes.length }]),
      );
    const manifest = JSON.stringify({
      formatVersion: 1,
      name: run.name,
      stage: run.stage,
      ...run.facts,
      sourceRevision: null,
      threadCount: run.config.threads,
      files: facts(files),
    });
    return { manifest, state: facts(stateFiles), files: { ...files, ...stateFiles }, id: sha256(manifest) };
  }

  open(
    run: RunOffer,
    made: ReturnType<FakeWorker["checkpoint"]>,
    { step, isBest = false }: { step: number; isBest?: boolean },
  ) {
    return this.post<{
      uploadId: string;
      checkpointId: string;
      isComplete: boolean;
      missing: Record<string, number[]>;
    }>(`runs/${run.id}/uploads`, {
      fencing: run.fencing,
      step,
      isBest,
      manifest: made.manifest,
      state: made.state,
    });
  }

  async put(
    run: RunOffer,
    uploadId: string,
    {
      file,
      part,
      bytes,
      digest = sha256(bytes),
    }: { file: string; part: number; bytes: Buffer; digest?: string },
  ): Promise<Answer<{ absorbed?: boolean } & Partial<Refused>>> {
    const query = new URLSearchParams({ file, part: String(part), fencing: String(run.fencing) });
    const response = await this.send("PUT", `uploads/${uploadId}/parts?${query}`, {
      body: new Uint8Array(bytes),
      headers: { [partDigestHeader]: digest },
    });
    return {
      status: response.status,
      body: (await response.json()) as { absorbed?: boolean } & Partial<Refused>,
    };
  }

  /** Sends what is missing, and ends the upload. @returns the checkpoint's id */
  async upload(
    run: RunOffer,
    options: { step: number; isBest?: boolean; weights: Uint8Array | string; state?: string },
  ): Promise<string> {
    const made = this.checkpoint(run, options);
    const opened = await this.open(run, made, options);
    if (opened.status !== 200) throw new Error(`Opening the upload failed: ${JSON.stringify(opened.body)}`);
    const { uploadId, isComplete, missing } = opened.body;
    if (isComplete) return made.id;
    for (const [file, parts] of Object.entries(missing)) {
      for (const part of parts) {
        const bytes = (made.files as Record<string, Buffer>)[file]?.subarray(
          part * partBytes,
          (part + 1) * partBytes,
        );
        const sent = await this.put(run, uploadId, { file, part, bytes: bytes ?? Buffer.alloc(0) });
        if (sent.status !== 200) throw new Error(`Sending ${file} failed: ${JSON.stringify(sent.body)}`);
      }
    }
    const ended = await this.post(`uploads/${uploadId}/complete`, { fencing: run.fencing });
    if (ended.status !== 200) throw new Error(`Ending the upload failed: ${JSON.stringify(ended.body)}`);
    return made.id;
  }

  /** One file of a checkpoint. */
  async fetchFile(checkpointId: string, name: string): Promise<Buffer> {
    const response = await this.send("GET", `checkpoints/${checkpointId}/files/${name}`);
    if (!response.ok) throw new Error(`Fetching ${name} failed: ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  fetchManifest(checkpointId: string): Promise<Buffer> {
    return this.fetchFile(checkpointId, manifestFileName);
  }
}
