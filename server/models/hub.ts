/** @file Fetches a model from a Hugging Face hub: resumable, checked by sha256, one file at a time. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import {
  downloadFile,
  HUB_URL,
  HubApiError,
  type ListFileEntry,
  listFiles,
  modelInfo,
} from "@huggingface/hub";
import {
  type ModelEnv,
  type ModelReport,
  ModelSourceError,
  megabytes,
  SourceUnavailableError,
} from "./model-report";

const connectTimeoutMs = 5_000;
const stallTimeoutMs = 30_000;

/** `owner/name`, or `owner/name/FILE.gguf` for one file of a repository that holds several. */
export const hubIdPattern = /^[\w-][\w.-]*\/[\w-][\w.-]*(\/[\w./-]+\.gguf)?$/;

export type HubFetch = {
  id: string;
  folder: string;
  env: ModelEnv;
  report: ModelReport;
  signal?: AbortSignal;
};

/**
 * Downloads what a checkpoint needs of the repository into `folder` and names what is to be imported.
 * @returns the folder, or the GGUF file in it, and the commit it is of
 * @throws {SourceUnavailableError} when the hub cannot be reached within seconds
 * @throws {ModelSourceError} when it refuses, or what it sent is not what it announced
 */
export async function fetchFromHub({
  id,
  folder,
  env,
  report,
  signal,
}: HubFetch): Promise<{ source: string; revision: string }> {
  const hub = connectTo(env, signal);
  const [owner = "", name = "", ...inside] = id.split("/");
  const repo = `${owner}/${name}`;
  const revision = await reach(hub, repo);
  const files = chooseFiles(await listAll(hub, repo, revision), inside.join("/"), repo);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  await fs.mkdir(folder, { recursive: true });
  let done = 0;
  for (const file of files) {
    const before = done;
    await fetchFile({ hub, repo, revision, file, folder, signal }, (fileBytes) => {
      done = before + fileBytes;
      report.progress(`${megabytes(done)} of ${megabytes(total)} MB`);
    });
    done = before + file.size;
  }
  const gguf = files.find((file) => file.path.endsWith(".gguf"));
  return { source: gguf ? path.join(folder, path.basename(gguf.path)) : folder, revision };
}

export const hubName = (env: ModelEnv): string => new URL(env.HF_ENDPOINT || HUB_URL).host;

type Hub = { hubUrl: string; accessToken?: string; fetch: typeof fetch };

function connectTo(env: ModelEnv, signal?: AbortSignal): Hub {
  return {
    hubUrl: (env.HF_ENDPOINT || HUB_URL).replace(/\/+$/, ""),
    ...(env.HF_TOKEN && { accessToken: env.HF_TOKEN }),
    // The limit holds until the headers are there; a body may take its time, as long as it moves.
    fetch: async (input, init) => {
      const connecting = new AbortController();
      const timer = setTimeout(
        () => connecting.abort(new Error(`no answer within ${connectTimeoutMs / 1000} s`)),
        connectTimeoutMs,
      );
      const signals = [connecting.signal, signal, init?.signal].filter((s) => s instanceof AbortSignal);
      try {
        return await fetch(input, { ...init, signal: AbortSignal.any(signals) });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The commit that `main` is at now, so that all files come from one revision. */
async function reach(hub: Hub, repo: string): Promise<string> {
  try {
    const info = await modelInfo({ name: repo, additionalFields: ["sha"], ...hub });
    return info.sha;
  } catch (error) {
    throw explainRefusal(error, repo, hub);
  }
}

async function listAll(hub: Hub, repo: string, revision: string): Promise<ListFileEntry[]> {
  const files: ListFileEntry[] = [];
  for await (const file of listFiles({ repo, revision, recursive: true, ...hub })) files.push(file);
  return files.filter((file) => file.type === "file");
}

function explainRefusal(error: unknown, repo: string, hub: Hub): Error {
  if (!(error instanceof HubApiError)) {
    return new SourceUnavailableError(innermostMessage(error), { cause: error });
  }
  const host = new URL(hub.hubUrl).host;
  const remedy = hub.accessToken
    ? "Check the id and the rights of HF_TOKEN."
    : "Check the id; a private or gated model needs HF_TOKEN.";
  return new ModelSourceError(`${host} refuses ${repo} (${error.statusCode}). ${remedy}`, { cause: error });
}

const wanted =
  /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|vocab|added_tokens|adapter_config)\.json$|^(merges\.txt|chat_template\.jinja)$/;

/** What a checkpoint needs: JSON beside safetensors, or one GGUF. Never pickle. */
function chooseFiles(files: ListFileEntry[], ggufPath: string, repo: string): ListFileEntry[] {
  if (ggufPath) {
    const file = files.find((candidate) => candidate.path === ggufPath);
    if (!file) throw new ModelSourceError(`${repo} has no file ${ggufPath}.`);
    return [file];
  }
  const weights = files.filter(({ path: p }) => /^model.*\.safetensors(\.index\.json)?$/.test(p));
  if (weights.length > 0) return [...files.filter(({ path: p }) => wanted.test(p)), ...weights];
  const ggufs = files.filter(({ path: p }) => p.endsWith(".gguf"));
  const [only] = ggufs;
  if (only && ggufs.length === 1) return [only];
  throw new ModelSourceError(
    only
      ? `${repo} holds ${ggufs.length} GGUF files; name one: ${repo}/${only.path}`
      : `${repo} holds neither safetensors nor GGUF weights at its top level.`,
  );
}

type FileFetch = {
  hub: Hub;
  repo: string;
  revision: string;
  file: ListFileEntry;
  folder: string;
  signal?: AbortSignal;
};

/** Appends to `<name>.<oid>.part` from where an earlier try stopped, checks, then renames. */
async function fetchFile(
  { hub, repo, revision, file, folder, signal }: FileFetch,
  onBytes: (fileBytes: number) => void,
): Promise<void> {
  const target = path.join(folder, path.basename(file.path));
  if ((await sizeOf(target)) === file.size && (await isIntact(target, file))) return;
  const part = `${target}.${(file.lfs?.oid ?? file.oid ?? revision).slice(0, 16)}.part`;
  let have = (await sizeOf(part)) ?? 0;
  if (have > file.size) {
    await fs.rm(part);
    have = 0;
  }
  if (have < file.size) {
    const blob = await downloadFile({ repo, revision, path: file.path, xet: false, ...hub });
    if (!blob) throw new ModelSourceError(`${repo} no longer has ${file.path}. Try again.`);
    const body = blob.slice(have).stream();
    await pipeline(watch(body, have, onBytes), createWriteStream(part, { flags: "a" }), { signal });
  }
  if ((await sizeOf(part)) !== file.size || !(await isIntact(part, file))) {
    await fs.rm(part, { force: true });
    throw new ModelSourceError(`${file.path} of ${repo} arrived damaged and was thrown away. Try again.`);
  }
  await fs.rename(part, target);
}

/** Passes chunks on, counting; fails when none comes for `stallTimeoutMs`. */
async function* watch(
  body: ReadableStream<Uint8Array>,
  startBytes: number,
  onBytes: (bytes: number) => void,
) {
  const reader = body.getReader();
  let bytes = startBytes;
  try {
    for (;;) {
      const { done, value } = await withinStallLimit(reader.read());
      if (done) return;
      bytes += value.byteLength;
      onBytes(bytes);
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function withinStallLimit<T>(read: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    const fact = `the download stalled for ${stallTimeoutMs / 1000} s; what came is kept`;
    timer = setTimeout(() => reject(new SourceUnavailableError(fact)), stallTimeoutMs);
  });
  try {
    return await Promise.race([read, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

/** Large files announce a sha256; small ones the id of a git blob, which is a sha1 over a header and the bytes. */
async function isIntact(file: string, { lfs, oid, size }: ListFileEntry): Promise<boolean> {
  if (lfs) return (await hashFile(file, createHash("sha256"))) === lfs.oid;
  if (oid) return (await hashFile(file, createHash("sha1").update(`blob ${size}\0`))) === oid;
  return true;
}

async function hashFile(file: string, hash: ReturnType<typeof createHash>): Promise<string> {
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function sizeOf(file: string): Promise<number | null> {
  const stat = await fs.stat(file).catch(() => null);
  return stat?.size ?? null;
}

function innermostMessage(error: unknown): string {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at.message : String(at);
}
