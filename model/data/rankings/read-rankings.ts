/**
 * @file Ranked data of any layout, read as a stream: each item is a record, or what is wrong with it and where.
 *
 *   for await (const read of readRankings(await openRankings("rankings.jsonl.gz"), { onProgress }))
 *     if ("record" in read) … else console.log(describeProblem(read))
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { DataFileError, notUtf8 } from "../read-lines";
import type { JsonItem } from "./layout";
import { type LayoutName, layoutNames, layoutOf, layouts } from "./layouts";
import { faultOf, ItemFault, type RankedPrompt } from "./ranked-prompt";
import { type RawItem, splitItems, UnevenArrayError } from "./split-items";

/** Where an item stands, counted from 1: its number among the items, and the line it begins on. */
export type ItemPlace = { file: string; item: number; line: number };
export type ReadRecord = { place: ItemPlace; layout: LayoutName; record: RankedPrompt };
export type ReadProblem = { place: ItemPlace; fault: ItemFault };

export type RankingSource = {
  /** For messages. */
  name: string;
  /** As stored, compressed or not. */
  sizeBytes: number;
  chunks: AsyncIterable<Uint8Array>;
};

export type ReadRankingsOptions = {
  /** Default: told from the first items. */
  layout?: LayoutName;
  signal?: AbortSignal;
  /** Bytes read of `sizeBytes`, after each chunk. */
  onProgress?: (readBytes: number) => void;
  /** Longer items are named and passed over. Default 16 MiB. */
  maxItemBytes?: number;
};

/** Nothing in the file is of a layout that rankings come in. */
export class UnknownLayoutError extends DataFileError {}

const chunkBytes = 256 * 1024;
/** Items that the layout is looked for in. */
const itemsToDetect = 20;

/** @throws DataFileError when there is no such file */
export async function openRankings(file: string): Promise<RankingSource> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    const fact = cause.code === "ENOENT" ? "there is no such file" : cause.message;
    throw new DataFileError(`Data file ${file}: ${fact}.`, { cause });
  });
  if (!found.isFile()) throw new DataFileError(`Data file ${file}: it is no file.`);
  return { name: file, sizeBytes: found.size, chunks: createReadStream(file, { highWaterMark: chunkBytes }) };
}

/**
 * JSONL or one JSON array, gzipped or not, in bounded memory. A bad item costs no other.
 * @throws DataFileError when the layout is not known, the gzip data is damaged, or a JSON array is cut; what was read
 *   before has been yielded by then
 */
export async function* readRankings(
  source: RankingSource,
  options: ReadRankingsOptions = {},
): AsyncGenerator<ReadRecord | ReadProblem> {
  const { signal, maxItemBytes = 16 * 2 ** 20 } = options;
  const bytes = gunzipIfNeeded(source, counted(source.chunks, options));
  let layout = options.layout ?? null;
  const undecided: JsonItem[] = [];
  try {
    for await (const raw of splitItems(bytes, { maxItemBytes })) {
      signal?.throwIfAborted();
      const place = { file: source.name, item: raw.item, line: raw.line };
      const item = parseRaw(raw, maxItemBytes);
      if (item instanceof ItemFault) {
        yield { place, fault: item };
        continue;
      }
      layout ??= layoutOf(item);
      if (layout !== null) {
        yield* readItem(item, layout, place);
        continue;
      }
      undecided.push(item);
      yield { place, fault: unknownLayout(item) };
      if (undecided.length >= itemsToDetect) break;
    }
  } catch (cause) {
    if (!(cause instanceof UnevenArrayError)) throw cause;
    throw new DataFileError(`Data file ${source.name}: ${cause.message}. Export it again.`, { cause });
  }
  if (layout === null) throw noLayout(source.name, undecided);
}

/** As "data.jsonl, item 3 on line 4: chosen: is missing. Expected: …". */
export function describeProblem({ place: { file, item, line }, fault }: ReadProblem): string {
  return `${file}, item ${item} on line ${line}: ${fault}`;
}

/** A layout throws nothing for bad items; what it yields is checked here as a whole. */
function* readItem(
  item: JsonItem,
  layout: LayoutName,
  place: ItemPlace,
): Generator<ReadRecord | ReadProblem> {
  for (const read of layouts[layout].read(item)) {
    const fault = read instanceof ItemFault ? read : faultOf(read);
    if (fault) yield { place, fault };
    else if (!(read instanceof ItemFault)) yield { place, layout, record: read };
  }
}

function parseRaw({ bytes }: RawItem, maxItemBytes: number): JsonItem | ItemFault {
  if (bytes === null) {
    return new ItemFault("", `is longer than ${maxItemBytes} bytes`, "Split it, or leave it out.");
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new ItemFault("", notUtf8, "Save the file as UTF-8.");
  }
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null && !Array.isArray(json)) return { ...json };
    return new ItemFault("", "is no JSON object", "Each line, or each element of one array, is an object.");
  } catch (cause) {
    const where = cause instanceof SyntaxError ? `: ${cause.message}` : "";
    return new ItemFault(
      "",
      `is not JSON${where}`,
      "Put one whole JSON object on each line, or all in one array.",
    );
  }
}

function unknownLayout(item: JsonItem): ItemFault {
  const fields = Object.keys(item).slice(0, 12).join(", ");
  const remedy = `Known layouts: ${layoutNames.map((name) => layouts[name].label).join("; ")}.`;
  return new ItemFault("", `has the fields ${fields || "of no layout"}, which fit no layout`, remedy);
}

function noLayout(file: string, undecided: readonly JsonItem[]): UnknownLayoutError {
  const [first] = undecided;
  const reason = first ? unknownLayout(first).toString() : "It holds no JSON objects.";
  return new UnknownLayoutError(
    `Data file ${file}: ${first ? "its first item " : ""}${reason} Or name the layout yourself.`,
  );
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  { onProgress, signal }: ReadRankingsOptions,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    read += chunk.length;
    onProgress?.(read);
    yield chunk;
  }
}

/** Told by the first two bytes, not by the name. */
async function* gunzipIfNeeded(
  { name }: RankingSource,
  chunks: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const first = await chunks.next();
  if (first.done) return;
  const all = prepend(first.value, chunks);
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* all;
    return;
  }
  const source = Readable.from(all, { objectMode: false });
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  source.on("error", (cause) => gunzip.destroy(cause));
  try {
    yield* source.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && String(cause.code).startsWith("Z_"))) throw cause;
    const fact = `its gzip data is damaged or cut (${cause.message})`;
    throw new DataFileError(`Data file ${name}: ${fact}. Copy or export it again.`, { cause });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

async function* prepend(first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}
