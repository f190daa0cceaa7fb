/** @file A tar archive as a stream of bytes (POSIX ustar): for a download of several files of known size in one go. */
import { createReadStream } from "node:fs";

const blockBytes = 512;
/** What eleven octal digits can say; above it, the size is in binary (GNU tar, and every reader of today). */
const largestOctalSize = 8 ** 11;

export type ArchivedFile = { name: string; file: string; sizeBytes: number };

/** @param names are relative paths; a path of more than 100 bytes is cut at a slash, as ustar wants it */
export async function* tarBytes(files: readonly ArchivedFile[]): AsyncGenerator<Uint8Array> {
  for (const { name, file, sizeBytes } of files) {
    yield tarHeader(name, sizeBytes);
    let sent = 0;
    for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
      const bytes: Uint8Array = chunk;
      sent += bytes.length;
      yield bytes;
    }
    // The reader must not take the next header for the rest of this file.
    if (sent !== sizeBytes) throw new Error(`${file} has ${sent} bytes instead of ${sizeBytes}`);
    const padding = paddingOf(sizeBytes);
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * blockBytes);
}

/** Of the whole archive. */
export function tarSize(files: readonly { sizeBytes: number }[]): number {
  const ofFile = (sizeBytes: number) => blockBytes + sizeBytes + paddingOf(sizeBytes);
  return files.reduce((sum, { sizeBytes }) => sum + ofFile(sizeBytes), 2 * blockBytes);
}

const paddingOf = (sizeBytes: number) => (blockBytes - (sizeBytes % blockBytes)) % blockBytes;

/** https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_06 */
function tarHeader(path: string, sizeBytes: number): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  const { prefix, name } = splitPath(path);
  header.write(name, 0, 100);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  if (sizeBytes < largestOctalSize) header.write(`${sizeBytes.toString(8).padStart(11, "0")}\0`, 124);
  else {
    header[124] = 0x80;
    header.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  // No time of its own: the same checkpoint is the same archive.
  header.write("00000000000\0", 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\0", 257);
  header.write("00", 263);
  header.write(prefix, 345, 155);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function splitPath(path: string): { prefix: string; name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: "", name: path };
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { prefix, name };
  }
  throw new RangeError(`${path} is too long for a tar archive`);
}
