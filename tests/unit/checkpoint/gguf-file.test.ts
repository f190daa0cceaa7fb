/** @file GGUF files that are wrong, truncated or hostile are refused before anything large is allocated. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { configFromGguf } from "@/model/checkpoint/gguf-config";
import { openGguf } from "@/model/checkpoint/gguf-file";
import { parityFolder } from "../../helpers/parity-fixture";
import { temporaryFolder } from "../../helpers/temporary-folder";

const good = readFileSync(path.join(parityFolder, "tiny-gpt2.gguf"));

async function open(bytes: Uint8Array) {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, "model.gguf");
  writeFileSync(file, bytes);
  using gguf = await openGguf(file);
  return configFromGguf(gguf);
}

/** A copy with a 64-bit number written over. */
function patched(at: number, value: bigint): Buffer {
  const bytes = Buffer.from(good);
  bytes.writeBigUInt64LE(value, at);
  return bytes;
}

/** Where the entry of a tensor in the header begins: after its name. */
const infoOf = (name: string) => good.indexOf(name) + name.length;

describe("a GGUF file", () => {
  it("is read when it is good", async () => {
    expect(await open(good)).toMatchObject({ model_type: "gpt2", n_embd: 64, n_layer: 2, vocab_size: 320 });
  });

  it.each([
    ["no GGUF", Buffer.from("PK\x03\x04 something else"), /it is no GGUF file/],
    ["empty", Buffer.alloc(0), /it is no GGUF file/],
    [
      "of version 77",
      Buffer.concat([Buffer.from("GGUF"), Buffer.from([77, 0, 0, 0]), Buffer.alloc(64)]),
      /version "77"/,
    ],
    ["claiming 2^60 tensors", patched(8, 2n ** 60n), /Tensor count 1152921504606846976 exceeds/],
    ["claiming 2^60 keys", patched(16, 2n ** 60n), /count 1152921504606846976 exceeds/],
    // n_dims (4 bytes), then the sizes, then the type (4) and the offset (8).
    [
      "with an astronomic tensor",
      patched(infoOf("token_embd.weight") + 4 + 8, 2n ** 40n),
      /exceeds the maximum/,
    ],
    [
      "with a tensor larger than itself",
      patched(infoOf("token_embd.weight") + 4 + 8, 2n ** 30n),
      /overlaps|ends at byte \d+, the file at/,
    ],
    [
      "with a tensor beyond its end",
      patched(infoOf("output_norm.bias") + 4 + 8 + 4, 2n ** 45n),
      /ends at byte \d+, the file at/,
    ],
    [
      "with two tensors at one place",
      patched(infoOf("output_norm.bias") + 4 + 8 + 4, 0n),
      /overlaps the one before/,
    ],
  ])("%s is refused", async (_, bytes, fact) => {
    const before = process.memoryUsage().arrayBuffers;
    await expect(open(bytes)).rejects.toThrow(fact);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100e6);
  });

  it("in a quantisation that Attune cannot read is refused by name", async () => {
    const bytes = Buffer.from(good);
    bytes.writeUInt32LE(16, infoOf("token_embd.weight") + 4 + 16);
    await expect(open(bytes)).rejects.toThrow(
      /token_embd\.weight in IQ2_XXS; supported: F32, F16, BF16, Q4_0/,
    );
  });

  it("cut anywhere is refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: good.length - 1 }), async (length) => {
        await expect(open(good.subarray(0, length))).rejects.toThrow(/damaged|no GGUF/);
      }),
      { numRuns: 60 },
    );
  });
});
