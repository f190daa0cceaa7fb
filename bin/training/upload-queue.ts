/**
 * @file Saved checkpoints on their way to the server, one after the other, while training goes on. Of those that wait, only
 * the newest and the best are worth sending.
 */
import { createHash } from "node:crypto";
import { open, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { digestFile } from "@/model/checkpoint/file-access";
import { manifestFileName } from "@/model/checkpoint/manifest";
import type { SavedCheckpoint } from "@/model/train/run-loop";
import {
  completeUploadAnswer,
  type Files,
  openUploadAnswer,
  partDigestHeader,
  type RunOffer,
} from "@/server/runs/protocol";
import type { EventOutbox } from "./event-outbox";
import type { Lease } from "./lease";
import { type ProtocolClient, Refused } from "./protocol-client";
import { linkFolder } from "./work-folder";

type Parts = {
  client: ProtocolClient;
  lease: Lease;
  outbox: EventOutbox;
  offer: RunOffer;
  /** Holds what waits. */
  folder: string;
  /** The server reads this machine's disk: files are linked, not sent. */
  isEmbedded: boolean;
};

const retryMs = 1_000;
const longestRetryMs = 60_000;

export class UploadQueue {
  readonly #parts: Parts;
  #waiting: SavedCheckpoint[] = [];
  #working: Promise<void> | null = null;
  #taken = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes a checkpoint over; when this resolves its folder may go. */
  async add(saved: SavedCheckpoint): Promise<void> {
    const folder = path.join(this.#parts.folder, `${this.#taken++}`);
    await linkFolder(saved.folder, folder);
    const stays = saved.isBest ? () => false : ({ isBest }: SavedCheckpoint) => isBest;
    const passed = this.#waiting.filter((waiting) => !stays(waiting));
    this.#waiting = [...this.#waiting.filter(stays), { ...saved, folder }];
    for (const { folder: obsolete } of passed) await rm(obsolete, { recursive: true, force: true });
    this.#start().catch(() => {});
  }

  /** Resolves when nothing waits any more. @throws {Refused}, or the reason the lease was lost for */
  async drain(): Promise<void> {
    while (this.#working || this.#waiting.length > 0) await this.#start();
  }

  #start(): Promise<void> {
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      this.#waiting.shift();
      const startedAt = performance.now();
      try {
        await this.#uploadWhenThereIsRoom(next);
      } catch (error) {
        // Whoever drains meets the same failure; a lost lease has no use for the rest.
        this.#waiting.unshift(next);
        throw error;
      }
      const seconds = (performance.now() - startedAt) / 1000;
      this.#parts.outbox.add({ type: "phase", name: "upload", seconds, step: next.step });
      await rm(next.folder, { recursive: true, force: true });
    }
  }

  async #uploadWhenThereIsRoom(saved: SavedCheckpoint): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#upload(saved);
      } catch (error) {
        if (!(error instanceof Refused && error.code === "diskFull")) throw error;
        if (tries === 0) {
          const { message: text } = error;
          this.#parts.outbox.add({ type: "incident", what: "diskFull", text, step: saved.step });
        }
        const waitMs = Math.min(longestRetryMs, retryMs * 2 ** tries);
        await sleep(waitMs, undefined, { signal: this.#parts.lease.lost });
      }
    }
  }

  async #upload({ folder, step, isBest }: SavedCheckpoint): Promise<void> {
    const { lease, client, outbox, isEmbedded } = this.#parts;
    const manifest = await readFile(path.join(folder, manifestFileName), "utf8");
    const state = await digestState(folder);
    const request = { step, isBest, manifest, state, ...(isEmbedded && { folder }) };
    for (;;) {
      const { uploadId, isComplete, missing, partBytes } = await lease.post("uploads", request, {
        answer: openUploadAnswer,
      });
      if (isComplete) return;
      for (const [file, parts] of Object.entries(missing)) {
        for (const part of parts) await this.#sendPart(uploadId, { folder, file, part, partBytes });
      }
      // What led to a checkpoint is known before the checkpoint is: whoever goes on from it reports what comes after.
      await outbox.drain();
      const { fencing } = this.#parts.offer;
      const isWhole = await lease
        .watch(() =>
          client.post(
            `uploads/${uploadId}/complete`,
            { fencing },
            { answer: completeUploadAnswer, signal: lease.lost },
          ),
        )
        .then(
          () => true,
          (error: unknown) => {
            if (error instanceof Refused && ["sha256Mismatch", "incomplete"].includes(error.code))
              return false;
            throw error;
          },
        );
      if (isWhole) return;
    }
  }

  async #sendPart(
    uploadId: string,
    { folder, file, part, partBytes }: { folder: string; file: string; part: number; partBytes: number },
  ): Promise<void> {
    const { lease, client, offer } = this.#parts;
    await using handle = await open(path.join(folder, file));
    const { size } = await handle.stat();
    const bytes = Buffer.alloc(Math.min(partBytes, size - part * partBytes));
    await handle.read(bytes, 0, bytes.length, part * partBytes);
    const headers = {
      "content-type": "application/octet-stream",
      [partDigestHeader]: createHash("sha256").update(bytes).digest("hex"),
    };
    const query = new URLSearchParams({ file, part: String(part), fencing: String(offer.fencing) });
    const put = () =>
      client.put(`uploads/${uploadId}/parts?${query}`, { body: bytes, headers, signal: lease.lost });
    await lease.watch(put).catch((error: unknown) => {
      // Damaged on the way: what is missing is asked for again.
      if (!(error instanceof Refused && error.code === "sha256Mismatch")) throw error;
    });
  }
}

async function digestState(folder: string): Promise<Files> {
  const files: Files = {};
  for (const name of await readdir(path.join(folder, "state")).catch(() => [])) {
    const { sha256, sizeBytes } = await digestFile(path.join(folder, "state", name));
    files[`state/${name}`] = { sha256, sizeBytes };
  }
  return files;
}
