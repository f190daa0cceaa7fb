/** @file Every block format against the gguf Python package, bit for bit. */
import { describe, expect, it } from "vitest";
import { blockFormats, dequantise } from "@/model/checkpoint/gguf-dequantise";
import { floatsFromBase64, parityFixture } from "../../helpers/parity-fixture";

const fixture = parityFixture<Record<string, { packed: string; values: string }>>("dequantise");
const names = Object.keys(blockFormats) as (keyof typeof blockFormats)[];

describe("dequantise", () => {
  it.each(names)("%s equals the gguf package bit for bit", (name) => {
    const { packed, values } = fixture[name] ?? { packed: "", values: "" };
    const bits = (floats: Float32Array) => new Uint32Array(floats.buffer);
    const ours = dequantise(name, Buffer.from(packed, "base64"));
    expect(ours).toHaveLength(1024);
    expect(bits(ours)).toEqual(bits(floatsFromBase64(values)));
  });

  it("refuses bytes that are no whole blocks", () => {
    expect(() => dequantise("Q4_0", new Uint8Array(19))).toThrow(/19 bytes are no whole Q4_0 blocks of 18/);
  });
});
