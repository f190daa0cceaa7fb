/** @file A worker's life: ask for a run, train it, ask again; until it is told to stop. */
import { randomUUID } from "node:crypto";
import os from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type ClaimRequest, claimAnswer } from "@/server/runs/protocol";
import { trainableStages } from "@/server/runs/stage-settings";
import { ProtocolClient } from "./protocol-client";
import { trainRun } from "./train-run";
import { WorkFolder } from "./work-folder";

export type WorkerOptions = {
  /** Of the server. */
  url: string;
  token: string;
  /** For downloads and checkpoints in the making; on the embedded trainer inside the data folder. */
  folder: string;
  /** For runs whose number of threads is not settled yet. */
  threads: number;
  stageEntry: string;
  isEmbedded: boolean;
  versions: Record<string, string>;
  /** Ends when there was nothing to do for this long; null: never. */
  idleSeconds: number | null;
  stop: AbortSignal;
  say: (line: string) => void;
  onState?: (state: { isWorking: boolean; stageBytes: number }) => void;
};

const silentMs = 5_000;

/**
 * Resolves when it was stopped, or was idle for too long.
 * @throws {Refused} when the server will not have it: token, version
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { url, token, threads, versions, stop, idleSeconds, onState = () => {} } = options;
  const client = new ProtocolClient({ url, token });
  const work = new WorkFolder(options.folder);
  const capabilities = { device: "cpu" as const, deviceCount: 0, memoryBytes: usableMemory(), threads };
  const request: ClaimRequest = {
    session: randomUUID(),
    stages: [...trainableStages],
    capabilities,
    versions,
  };
  let idleSince = Date.now();
  while (!stop.aborted) {
    // A server that is away is waited for; but a misspelt address would be waited for as well.
    const slow = setTimeout(
      () => options.say(`${url} does not answer; asking again until it does.`),
      silentMs,
    );
    const asked = client.post("claim", request, { answer: claimAnswer, signal: stop });
    const answer = await asked
      .catch((error: unknown) => {
        if (stop.aborted) return null;
        throw error;
      })
      .finally(() => clearTimeout(slow));
    if (!answer) break;
    if (answer.run) {
      onState({ isWorking: true, stageBytes: 0 });
      const onMemory = (stageBytes: number) => onState({ isWorking: true, stageBytes });
      await trainRun({ ...options, client, work, offer: answer.run, onMemory });
      onState({ isWorking: false, stageBytes: 0 });
      idleSince = Date.now();
      continue;
    }
    if (idleSeconds !== null && Date.now() - idleSince > idleSeconds * 1000) return;
    await sleep(answer.retryAfterSeconds * 1000, undefined, { signal: stop }).catch(() => {});
  }
}

/** Of the machine, or of the container this runs in. */
function usableMemory(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < os.totalmem() ? limit : os.totalmem();
}
