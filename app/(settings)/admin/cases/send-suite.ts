/** @file Sends a suite: an archive as it is, plain files as a tar that is made of them here. */
import { refusalOf } from "@/app/_lib/refusal-of";

/** @throws {RefusedError} with the server's words */
export async function sendSuite(files: readonly File[]): Promise<{ suiteId: string; name: string }> {
  const [only] = files;
  const isArchive = only !== undefined && files.length === 1 && /\.(zip|tar|t?gz)$/i.test(only.name);
  const response = await fetch("/api/suites", {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: isArchive ? only : await tarOf(files),
  });
  if (!response.ok) throw await refusalOf(response);
  return response.json();
}

const block = 512;

/** POSIX ustar, with what readers need and no more. */
async function tarOf(files: readonly File[]): Promise<Blob> {
  const parts = files.flatMap((file) => [
    headerOf(file),
    file,
    new Uint8Array((block - (file.size % block)) % block),
  ]);
  return new Blob([...parts, new Uint8Array(2 * block)]);
}

function headerOf({ name, size }: File): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(block);
  const write = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
  write(name.slice(0, 60), 0);
  write("0000644\0", 100);
  write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  // The checksum is over the header with spaces in its own place.
  write("        ", 148);
  write("0", 156);
  write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}
