/** @file The worker's side of HTTP: typed messages, and patience. What the network loses is sent again, as long as it takes. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { errorAnswer, protocolHeader, protocolVersion, type Refusal } from "@/server/runs/protocol";

/** The server understood, and says no: why, in its words, and with its facts. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    readonly code: Refusal,
    message: string,
    readonly facts: Readonly<Record<string, unknown>>,
  ) {
    super(message);
  }
}

/** What is worth asking again; anything else stays as it is however often one asks. */
const passing: readonly string[] = ["tooManyRequests", "unavailable", "internal"];
const firstWaitMs = 250;
const longestWaitMs = 10_000;
/** A part of 8 MiB over a slow line takes a while; a connection that says nothing for longer is dead. */
const answerMs = 120_000;
/** Shorter outages are not worth a line on the timeline. */
const leastOutageMs = 500;

export type ClientOptions = {
  /** Of the server: http://127.0.0.1:3000 */
  url: string;
  token: string;
  /** The server was not reached for a while, and is again. */
  onOutage?: (seconds: number) => void;
};

type Message = {
  method: "GET" | "POST" | "PUT";
  headers?: Record<string, string>;
  body?: string | Uint8Array;
};

export class ProtocolClient {
  onOutage: (seconds: number) => void;
  readonly #base: string;
  readonly #token: string;
  #lostAt: number | null = null;

  constructor({ url, token, onOutage = () => {} }: ClientOptions) {
    this.#base = `${new URL(url).href.replace(/\/$/, "")}/api/worker`;
    this.#token = token;
    this.onOutage = onOutage;
  }

  /** @throws {Refused}; the signal's reason when it is aborted first */
  async post<S extends z.ZodType>(
    at: string,
    body: object,
    { answer, signal }: { answer: S; signal?: AbortSignal | undefined },
  ): Promise<z.output<S>> {
    const headers = { "content-type": "application/json" };
    const message: Message = { method: "POST", headers, body: JSON.stringify(body) };
    return this.#patiently(at, message, async (response) => answer.parse(await response.json()), signal);
  }

  async put(
    at: string,
    { body, headers, signal }: { body: Uint8Array; headers: Record<string, string>; signal?: AbortSignal },
  ): Promise<void> {
    await this.#patiently(at, { method: "PUT", body, headers }, (response) => response.arrayBuffer(), signal);
  }

  /** A short text. */
  async text(at: string, signal?: AbortSignal): Promise<string> {
    return this.#patiently(at, { method: "GET" }, (response) => response.text(), signal);
  }

  /**
   * Puts a file there, whole or not at all. Of a known sha256 what is here of it is kept, and the rest asked for.
   * @param sha256 null: not known before; the file is taken as it comes
   */
  async download(
    at: string,
    file: string,
    { sha256, signal }: { sha256: string | null; signal?: AbortSignal },
  ): Promise<void> {
    const draft = `${file}.part`;
    await mkdir(path.dirname(file), { recursive: true });
    for (let tries = 1; ; tries++) {
      await this.#patiently(
        at,
        async () => {
          const start = sha256 === null ? 0 : await sizeOf(draft);
          const headers: Record<string, string> =
            start > 0 ? { range: `bytes=${start}-`, "if-range": `"${sha256}"` } : {};
          return { method: "GET", headers };
        },
        async ({ status, body }) => {
          // Already whole: the range begins behind the end.
          if (status === 416) return;
          const flags = status === 206 ? "a" : "w";
          const source = body ? Readable.fromWeb(body as NodeReadableStream) : Readable.from([]);
          await pipeline(source, createWriteStream(draft, { flags }));
        },
        signal,
      );
      if (sha256 === null || (await sha256Of(draft)) === sha256) break;
      await rm(draft);
      if (tries === 3) throw new Error(`${at} arrived three times with another sha256 than ${sha256}.`);
    }
    await rename(draft, file);
  }

  /** Sends until there is an answer that counts. */
  async #patiently<T>(
    at: string,
    message: Message | (() => Promise<Message>),
    read: (response: Response) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    for (let tries = 0; ; tries++) {
      signal?.throwIfAborted();
      const failure = await this.#once(
        at,
        typeof message === "function" ? await message() : message,
        read,
        signal,
      )
        .then((value) => ({ value }))
        .catch((error: unknown) => {
          signal?.throwIfAborted();
          if (error instanceof Refused ? !passing.includes(error.code) : isLocal(error)) throw error;
          return null;
        });
      if (failure !== null) return failure.value;
      await sleep(Math.min(longestWaitMs, firstWaitMs * 2 ** tries), undefined, signal && { signal });
    }
  }

  async #once<T>(
    at: string,
    { method, headers, body }: Message,
    read: (response: Response) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const limit = AbortSignal.timeout(answerMs);
    try {
      const response = await fetch(`${this.#base}/${at}`, {
        method,
        headers: {
          ...headers,
          authorization: `Bearer ${this.#token}`,
          [protocolHeader]: String(protocolVersion),
        },
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
        ...(body !== undefined && { body: typeof body === "string" ? body : Buffer.from(body) }),
      });
      if (!response.ok && response.status !== 416) throw await toRefused(response);
      const value = await read(response);
      this.#noteConnection(true);
      return value;
    } catch (error) {
      if (!signal?.aborted) this.#noteConnection(error instanceof Refused && error.code !== "unavailable");
      throw error;
    }
  }

  #noteConnection(isThere: boolean): void {
    if (!isThere) {
      this.#lostAt ??= Date.now();
      return;
    }
    const lostMs = this.#lostAt === null ? 0 : Date.now() - this.#lostAt;
    this.#lostAt = null;
    if (lostMs >= leastOutageMs) this.onOutage(lostMs / 1000);
  }
}

/** Of this machine's disk: asking the server again would not help. */
function isLocal(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    /^E(NOSPC|DQUOT|ACCES|ROFS|NOENT|IO)$/.test(String(error.code))
  );
}

async function toRefused(response: Response): Promise<Refused> {
  const text = await response.text();
  const parsed = errorAnswer.safeParse(parseJson(text));
  if (!parsed.success) {
    // A proxy answers for a server that is away; anything else that is no answer of ours is no Attune.
    const code = response.status >= 500 || response.status === 429 ? "unavailable" : "notFound";
    return new Refused(code, `${response.url} answered ${response.status}: ${text.slice(0, 200)}`, {});
  }
  const { code, message, ...facts } = parsed.data.error;
  return new Refused(code as Refusal, message, facts);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const sizeOf = (file: string) =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  );

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest("hex");
}
