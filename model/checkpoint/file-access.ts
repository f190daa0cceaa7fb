/** @file Exact reads at an offset, hashes, and writes that have reached the disk when they return. */
import { createHash } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { CorruptFileError } from "./errors";

/** An open file that is read by position. Disposing closes it. */
export class RandomAccessFile implements Disposable {
  readonly sizeBytes: number;
  readonly #descriptor: number;
  #isOpen = true;

  constructor(readonly path: string) {
    this.#descriptor = openSync(path, "r");
    this.sizeBytes = fstatSync(this.#descriptor).size;
  }

  /** @throws CorruptFileError when the file ends before `sizeBytes` bytes. */
  read(offset: number, sizeBytes: number): Uint8Array<ArrayBuffer> {
    if (offset < 0 || sizeBytes < 0 || offset + sizeBytes > this.sizeBytes) {
      throw new CorruptFileError(this.path, `bytes ${offset} to ${offset + sizeBytes} of ${this.sizeBytes}`);
    }
    // Memory of its own and not Buffer's pool: typed arrays over it need an offset of 0.
    const bytes = new Uint8Array(sizeBytes);
    // One read moves at most 2 GiB.
    const mostAtOnce = 2 ** 30;
    for (let done = 0; done < sizeBytes; ) {
      const moved = readSync(
        this.#descriptor,
        bytes,
        done,
        Math.min(mostAtOnce, sizeBytes - done),
        offset + done,
      );
      if (moved === 0)
        throw new CorruptFileError(this.path, `it ended at byte ${offset + done} while being read`);
      done += moved;
    }
    return bytes;
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#descriptor);
    this.#isOpen = false;
  }
}

export type FileDigest = { sha256: string; sizeBytes: number };

export async function digestFile(path: string, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sha256: hash.digest("hex"), sizeBytes };
}

/** Writes the chunks one after another, calls fsync, and says what was written. */
export async function writeFileDurably(
  path: string,
  chunks: Iterable<Uint8Array | string> | AsyncIterable<Uint8Array | string>,
  signal?: AbortSignal,
): Promise<FileDigest> {
  await using file = await open(path, "wx");
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, "utf8") : chunk;
    hash.update(bytes);
    for (let done = 0; done < bytes.length; ) {
      done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
    }
    sizeBytes += bytes.length;
  }
  await file.sync();
  return { sha256: hash.digest("hex"), sizeBytes };
}

/** Makes a folder's own entries durable: a renamed or new file may otherwise vanish with the power. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders; there the file's own sync has to do.
  if (process.platform === "win32") return;
  await using handle = await open(folder, "r");
  await handle.sync();
}
