/**
 * @file Where a worker keeps what it works with: a folder for each of its processes, removed when the lease ends, and
 * checkpoint files by their sha256, so that a restarted worker need not fetch its base again.
 */
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import { isThere } from "@/model/train/run-checkpoints";
import type { CheckpointOffer, DatasetOffer, RunOffer } from "@/server/runs/protocol";
import type { ProtocolClient } from "./protocol-client";

const filesFolder = "files";
/** pid-uuid */
const sessionPattern = /^(\d+)-[0-9a-f-]{36}$/;

export class WorkFolder {
  readonly #root: string;
  readonly #session: string;

  constructor(root: string) {
    this.#root = root;
    this.#session = `${process.pid}-${randomUUID()}`;
  }

  /** Of the run in hand. */
  get path(): string {
    return path.join(this.#root, this.#session);
  }

  /** Where a dataset's rows are put. */
  dataFile(datasetId: string): string {
    return path.join(this.path, "data", `${datasetId}.jsonl`);
  }

  /** A new empty folder for a run; what processes left that are gone is removed, a person's data first of all. */
  async begin(): Promise<void> {
    await removeAbandoned(this.#root);
    await this.end();
    await mkdir(this.path, { recursive: true });
  }

  async end(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Fetches a checkpoint's files into `target`, linked to those kept by sha256. */
  async fetchCheckpoint(
    client: ProtocolClient,
    { id, files }: CheckpointOffer,
    { target, signal, withState }: { target: string; signal: AbortSignal; withState: boolean },
  ): Promise<void> {
    for (const [name, { sha256 }] of Object.entries(files)) {
      if (name.startsWith("state/") && !withState) continue;
      const kept = path.join(this.#root, filesFolder, sha256);
      const at = `checkpoints/${id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
      if (!(await isThere(kept))) await client.download(at, kept, { sha256, signal });
      const file = path.join(target, name);
      await mkdir(path.dirname(file), { recursive: true });
      await rm(file, { force: true });
      await link(kept, file);
    }
  }

  /** Forgets kept files that this run does not need. */
  async forgetOthers({ base, lineageBase, rewardModels, resume, best }: RunOffer): Promise<void> {
    const scoring = rewardModels.flatMap((model) => [model.checkpoint, model.lineageBase]);
    const needed = new Set(
      [base, lineageBase, ...scoring, resume, best].flatMap((checkpoint) =>
        Object.values(checkpoint?.files ?? {}).map(({ sha256 }) => sha256),
      ),
    );
    const folder = path.join(this.#root, filesFolder);
    for (const name of await readdir(folder).catch(() => [])) {
      if (!needed.has(name)) await rm(path.join(folder, name), { force: true });
    }
  }

  /**
   * Fetches a dataset's rows and compares each with the manifest.
   * @returns the file
   * @throws {Error} when a row is not the one that was promised
   */
  async fetchDataset(client: ProtocolClient, dataset: DatasetOffer, signal: AbortSignal): Promise<string> {
    const file = this.dataFile(dataset.id);
    await client.download(`datasets/${dataset.id}/rows`, file, { sha256: null, signal });
    const manifest = await client.text(`datasets/${dataset.id}/hashes`, signal);
    await compareRows(file, manifest, dataset);
    return file;
  }
}

async function compareRows(
  file: string,
  manifest: string,
  { name, sha256, rowCount }: DatasetOffer,
): Promise<void> {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  if (hash(manifest) !== sha256)
    throw new Error(`The manifest of dataset “${name}” is not the one of ${sha256}.`);
  const hashes = manifest.trimEnd().split("\n");
  let row = 0;
  for await (const line of linesOf(file)) {
    // An erased row is empty, and keeps its number.
    if (line !== "" && hash(line) !== hashes[row]) {
      throw new Error(`Row ${row} of dataset “${name}” arrived with another sha256 than its manifest names.`);
    }
    row++;
  }
  if (row !== rowCount) throw new Error(`Dataset “${name}” arrived with ${row} rows instead of ${rowCount}.`);
}

/** Cut at \n alone: readline also cuts at U+2028, which a row may hold. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(file, { encoding: "utf8" })) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** Folders of worker processes that are gone. */
export async function removeAbandoned(root: string): Promise<void> {
  for (const name of await readdir(root).catch(() => [])) {
    const pid = Number(sessionPattern.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    await rm(path.join(root, name), { recursive: true, force: true, maxRetries: 3 });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** The same files under another folder, without copying a byte. */
export async function linkFolder(source: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    const from = path.join(entry.parentPath, entry.name);
    const to = path.join(target, path.relative(source, from));
    if (entry.isDirectory()) await mkdir(to, { recursive: true });
    else {
      await mkdir(path.dirname(to), { recursive: true });
      await link(from, to);
    }
  }
}
