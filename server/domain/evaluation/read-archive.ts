/** @file The files of an uploaded archive: tar, gzipped tar or zip, told by its first bytes, never unpacked to disk by its own names. */
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { type Entry, fromBufferPromise } from "yauzl";
import { AppError } from "../../errors";

type Archive = Awaited<ReturnType<typeof fromBufferPromise>>;
export type ArchivedFile = { name: string; bytes: Buffer };

/** Of all files together: a small archive may hold a large text. */
const mostBytes = 64 * 2 ** 20;

/** @throws {AppError} BAD_REQUEST for what is no such archive, TOO_LARGE */
export async function readArchive(bytes: Buffer): Promise<ArchivedFile[]> {
  const start = bytes.toString("latin1", 0, 4);
  if (start.startsWith("PK")) return readZip(bytes);
  return readTar(start.startsWith("\x1f\x8b") ? await unzip(bytes) : bytes);
}

const noArchive = (cause?: unknown) =>
  new AppError(
    "BAD_REQUEST",
    "The file is no archive that can be read: a suite comes as .zip without a password, .tar or .tar.gz.",
    { cause },
  );
const tooLarge = () =>
  new AppError("TOO_LARGE", `Unpacked the suite has more than ${mostBytes / 2 ** 20} MB.`);

async function unzip(bytes: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: mostBytes });
  } catch (cause) {
    throw cause instanceof RangeError ? tooLarge() : noArchive(cause);
  }
}

async function readZip(bytes: Buffer): Promise<ArchivedFile[]> {
  const archive = await fromBufferPromise(bytes, { lazyEntries: true }).catch((cause: unknown) => {
    throw noArchive(cause);
  });
  const files: ArchivedFile[] = [];
  let total = 0;
  try {
    for await (const { fileName, ...entry } of eachEntry(archive)) {
      total += entry.uncompressedSize;
      if (total > mostBytes) throw tooLarge();
      if (!fileName.endsWith("/")) files.push({ name: fileName, bytes: await entry.read() });
    }
  } finally {
    archive.close();
  }
  return files;
}

/** yauzl checks sizes and names as it reads. */
async function* eachEntry(archive: Archive) {
  try {
    for await (const entry of archive.eachEntry()) {
      const read = () => readEntry(archive, entry);
      yield { fileName: entry.fileName, uncompressedSize: entry.uncompressedSize, read };
    }
  } catch (cause) {
    throw cause instanceof AppError ? cause : noArchive(cause);
  }
}

/** @throws {AppError} where it is damaged, or encrypted */
async function readEntry(archive: Archive, entry: Entry): Promise<Buffer> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of await archive.openReadStreamPromise(entry)) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch (cause) {
    throw noArchive(cause);
  }
}

const block = 512;

/** POSIX ustar: a header of 512 bytes, then the file, filled up to the next 512. */
function readTar(bytes: Buffer): ArchivedFile[] {
  const files: ArchivedFile[] = [];
  if (bytes.length > mostBytes) throw tooLarge();
  for (let at = 0; at + block <= bytes.length; ) {
    const header = bytes.subarray(at, at + block);
    if (header.every((byte) => byte === 0)) break;
    const field = (from: number, to: number) => header.toString("utf8", from, to).split("\0")[0] ?? "";
    const size = Number.parseInt(field(124, 136).trim(), 8);
    const start = at + block;
    if (field(257, 262) !== "ustar" || !(size >= 0) || start + size > bytes.length) throw noArchive();
    const isFile = ["", "0"].includes(field(156, 157));
    if (isFile) files.push({ name: field(0, 100), bytes: bytes.subarray(start, start + size) });
    at = start + Math.ceil(size / block) * block;
  }
  return files;
}
