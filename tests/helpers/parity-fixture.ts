/** @file Reads the fixtures that transformers and the gguf package made. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";

export const parityFolder = path.resolve(import.meta.dirname, "../fixtures/parity");

/** @param T what the script that made it says it holds */
export function parityFixture<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(path.join(parityFolder, `${name}.json.gz`))).toString("utf8"));
}

/** Little-endian float32 in base64. */
export function floatsFromBase64(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
}
