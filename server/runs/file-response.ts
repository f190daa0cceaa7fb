/** @file A download that can be gone on with: ranges, and the sha256 as its ETag. */
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";

export type Download = {
  sizeBytes: number;
  /** Changes when the bytes do. */
  tag: string;
  contentType: string;
  /** Offered as this file; without it, shown. */
  fileName?: string;
  /** The bytes from `start` to `end`, both included. */
  open: (start: number, end: number) => ReadableStream<Uint8Array> | Promise<ReadableStream<Uint8Array>>;
};

/** Answers 200, 206, 304 or 416, as RFC 9110 has it; of several ranges none, but the whole. */
export async function downloadResponse(request: Request, download: Download): Promise<Response> {
  const { sizeBytes, tag, contentType, fileName } = download;
  const etag = `"${tag}"`;
  const headers = new Headers({
    etag,
    "accept-ranges": "bytes",
    "content-type": contentType,
    "cache-control": "private, no-cache",
    ...(fileName && { "content-disposition": `attachment; filename="${fileName}"` }),
  });
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  const ifRange = request.headers.get("if-range");
  const asked = ifRange === null || ifRange === etag ? request.headers.get("range") : null;
  const range = readRange(asked, sizeBytes);
  if (range === "unsatisfiable") {
    headers.set("content-range", `bytes */${sizeBytes}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 };
  headers.set("content-length", String(end - start + 1));
  if (range) headers.set("content-range", `bytes ${start}-${end}/${sizeBytes}`);
  const body = sizeBytes === 0 ? null : await download.open(start, end);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** Null: no range, or one that is none of ours: the whole is sent. */
function readRange(
  header: string | null,
  sizeBytes: number,
): { start: number; end: number } | "unsatisfiable" | null {
  const [, from = "", to = ""] = /^bytes=(\d*)-(\d*)$/.exec(header ?? "") ?? [];
  if (from === "" && to === "") return null;
  const last = sizeBytes - 1;
  const start = from === "" ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === "" || to === "" ? last : Math.min(Number(to), last);
  return start > last || start > end ? "unsatisfiable" : { start, end };
}

export function openFile(file: string): Download["open"] {
  return (start, end) =>
    Readable.toWeb(createReadStream(file, { start, end })) as unknown as ReadableStream<Uint8Array>;
}

/** Bytes as they are made. A reader who leaves ends the making. */
export function streamBytes(parts: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(parts, { objectMode: false })) as unknown as ReadableStream<Uint8Array>;
}

/** Text parts as bytes, without the first `skip` and after `length` of them no more. A reader who leaves ends the making. */
export function streamText(
  parts: AsyncGenerator<string>,
  { skip = 0, length = Number.POSITIVE_INFINITY }: { skip?: number; length?: number } = {},
): ReadableStream<Uint8Array> {
  let toSkip = skip;
  let left = length;
  return new ReadableStream({
    async pull(controller) {
      while (left > 0) {
        const { done, value } = await parts.next();
        if (done) break;
        const bytes = Buffer.from(value, "utf8");
        const kept = bytes.subarray(toSkip, toSkip + left);
        toSkip -= Math.min(toSkip, bytes.length);
        left -= kept.length;
        if (kept.length === 0) continue;
        controller.enqueue(kept);
        if (left > 0) return;
      }
      controller.close();
      await parts.return(undefined);
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
