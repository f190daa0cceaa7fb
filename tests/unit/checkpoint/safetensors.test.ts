/** @file safetensors files: what is written is read back; what is wrong, truncated or hostile is refused with the fact. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CorruptFileError, NotAModelError, UnsupportedModelError } from "@/model/checkpoint/errors";
import { findSafetensors, openSafetensors } from "@/model/checkpoint/safetensors-reader";
import { type OutgoingTensor, writeSafetensors } from "@/model/checkpoint/safetensors-writer";
import { MissingTensorError } from "@/model/checkpoint/tensor-source";
import { temporaryFolder } from "../../helpers/temporary-folder";

const floats = (name: string, shape: number[], values: number[]): OutgoingTensor => ({
  name,
  dtype: "F32",
  shape,
  chunks: () => [new Uint8Array(Float32Array.from(values).buffer)],
});

/** A file with this header and so many zero bytes after it. */
function forge(header: unknown, dataBytes: number, claimedHeaderBytes?: number): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(claimedHeaderBytes ?? json.length));
  return Buffer.concat([size, json, Buffer.alloc(dataBytes)]);
}

async function open(bytes: Buffer) {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, "model.safetensors");
  writeFileSync(file, bytes);
  using source = openSafetensors([file]);
  return source.names();
}

const entry = (from: number, to: number, shape = [(to - from) / 4], dtype = "F32") => ({
  dtype,
  shape,
  data_offsets: [from, to],
});

describe("what is written", () => {
  it("is read back, in any mix of types and shapes", async () => {
    await using folder = await temporaryFolder();
    const tensor = fc.record({
      dtype: fc.constantFrom("F32" as const, "F16" as const, "BF16" as const),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      pieces: fc.integer({ min: 1, max: 3 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(tensor, { minLength: 1, maxLength: 6 }), async (specs) => {
        const file = path.join(folder.path, `${run++}.safetensors`);
        const written = specs.map(({ dtype, shape, pieces }, index) => {
          const size = shape.reduce((a, b) => a * b, dtype === "F32" ? 4 : 2);
          const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + index) % 120);
          const cut = Math.ceil(size / pieces) || 1;
          const chunks = () =>
            Array.from({ length: pieces }, (_, piece) => bytes.subarray(piece * cut, (piece + 1) * cut));
          return { name: `t${index}`, dtype, shape, chunks, bytes };
        });
        await writeSafetensors(file, written);
        using source = openSafetensors([file]);
        for (const { name, dtype, shape, bytes } of written) {
          expect(source.info(name)).toEqual({ dtype, shape, sizeBytes: bytes.length });
          expect(source.readBytes(name)).toEqual(bytes);
          expect(source.read(name)).toHaveLength(bytes.length / (dtype === "F32" ? 4 : 2));
        }
      }),
      { numRuns: 40 },
    );
  });

  it("has the sha256 and size it reports, and starts every tensor at a multiple of its width", async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "model.safetensors");
    const half: OutgoingTensor = { name: "a", dtype: "F16", shape: [3], chunks: () => [new Uint8Array(6)] };
    const { sizeBytes } = await writeSafetensors(file, [half, floats("b", [2], [1, 2])]);
    const bytes = readFileSync(file);
    expect(bytes).toHaveLength(sizeBytes);
    const headerBytes = Number(bytes.readBigUInt64LE(0));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
    expect(header.b.data_offsets).toEqual([0, 8]);
    expect(header.a.data_offsets).toEqual([8, 14]);
  });

  it("must fill its shape", async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, "model.safetensors");
    await expect(writeSafetensors(file, [floats("w", [3], [1, 2])])).rejects.toThrow(
      "Tensor w needs 12 bytes and gave 8",
    );
  });
});

describe("a hostile or damaged file is refused, with the fact", () => {
  const cases: [string, Buffer, RegExp][] = [
    ["an empty file", Buffer.alloc(0), /0 bytes cannot hold/],
    ["a header of 2^63 bytes", forge("{}", 8, 2 ** 63), /claims a header of 922337203685477\d+ bytes/],
    ["a header longer than the file", forge("{}", 8, 1000), /claims a header of 1000 bytes in a file of 18/],
    ["a header that is no JSON", forge('{"a": [', 8), /not JSON/],
    ["a header that is a list", forge([], 8), /not a JSON object/],
    ["a header nested a million deep", forge(`{"a":${"[".repeat(1_000_000)}`, 8), /not JSON/],
    ["no tensors", forge({}, 8), /no tensors/],
    [
      "negative offsets",
      forge({ a: { dtype: "F32", shape: [1], data_offsets: [-4, 0] } }, 8),
      /entry of a is malformed/,
    ],
    [
      "a fractional shape",
      forge({ a: { dtype: "F32", shape: [0.5], data_offsets: [0, 2] } }, 2),
      /entry of a is malformed/,
    ],
    ["ends before it starts", forge({ a: entry(8, 4, [1]) }, 8), /needs 4 bytes and has -4/],
    ["the wrong number of bytes", forge({ a: entry(0, 8, [3]) }, 8), /needs 12 bytes and has 8/],
    ["an astronomic shape", forge({ a: entry(0, 8, [1e9, 1e9, 1e9]) }, 8), /needs 4e\+27 bytes and has 8/],
    ["overlapping tensors", forge({ a: entry(0, 8), b: entry(4, 12) }, 12), /tensor b overlaps/],
    ["two tensors at one place", forge({ a: entry(0, 8), b: entry(0, 8) }, 8), /overlaps/],
    [
      "a gap between tensors",
      forge({ a: entry(0, 4), b: entry(8, 12) }, 12),
      /4 bytes before tensor b belong to none/,
    ],
    ["bytes after the last tensor", forge({ a: entry(0, 4) }, 12), /end at byte .*, the file at/],
    ["tensors beyond the end", forge({ a: entry(0, 400) }, 12), /end at byte .*, the file at/],
    [
      "one name twice",
      forge(`{"a":${JSON.stringify(entry(0, 4))},"a":${JSON.stringify(entry(0, 4))}}`, 4),
      /names a twice/,
    ],
    [
      "one name twice, once escaped",
      forge(`{"a":${JSON.stringify(entry(0, 4))},"\\u0061":${JSON.stringify(entry(0, 4))}}`, 4),
      /names a twice/,
    ],
  ];

  it.each(cases)("%s", async (_, bytes, fact) => {
    const opening = open(bytes);
    await expect(opening).rejects.toThrow(fact);
    await expect(opening).rejects.toBeInstanceOf(CorruptFileError);
  });

  it("an unknown type", async () => {
    await expect(open(forge({ a: entry(0, 8, [1], "F64") }, 8))).rejects.toThrow(UnsupportedModelError);
  });

  it("any truncation of a good file", async () => {
    const header = { a: entry(0, 8), b: entry(8, 16) };
    const good = forge(header, 16);
    expect(await open(good)).toEqual(["a", "b"]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: good.length - 1 }), async (length) => {
        await expect(open(good.subarray(0, length))).rejects.toThrow(CorruptFileError);
      }),
      { numRuns: 60 },
    );
  });

  it("random bytes never do worse than an error of ours", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, isPlausible) => {
        const file = isPlausible ? forge(Buffer.from(bytes).toString("latin1"), 8) : Buffer.from(bytes);
        await expect(open(file)).rejects.toThrow(/is damaged|not supported/);
      }),
      { numRuns: 100 },
    );
  });
});

describe("a model folder", () => {
  it("of several shards is read as one", async () => {
    await using folder = await temporaryFolder();
    const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const [first = "", second = ""] = shards.map((name) => path.join(folder.path, name));
    await writeSafetensors(first, [floats("a", [2], [1, 2])]);
    await writeSafetensors(second, [floats("b", [1], [3])]);
    const index = { metadata: {}, weight_map: { a: shards[0], b: shards[1] } };
    await writeFile(path.join(folder.path, "model.safetensors.index.json"), JSON.stringify(index));
    const found = await findSafetensors(folder.path, ["model.safetensors.index.json", ...shards]);
    using source = openSafetensors(found);
    expect([...source.read("a"), ...source.read("b")]).toEqual([1, 2, 3]);
    expect(() => source.read("c")).toThrow(MissingTensorError);
  });

  it("whose index points outside of it, or at a missing shard, is refused", async () => {
    await using folder = await temporaryFolder();
    const index = { weight_map: { a: "../../etc/passwd" } };
    await writeFile(path.join(folder.path, "model.safetensors.index.json"), JSON.stringify(index));
    await expect(findSafetensors(folder.path, ["model.safetensors.index.json"])).rejects.toThrow(
      /shard .* is missing/,
    );
  });

  it("with the same tensor in two shards is refused", async () => {
    await using folder = await temporaryFolder();
    const files = ["1", "2"].map((name) => path.join(folder.path, name));
    for (const file of files) await writeSafetensors(file, [floats("a", [1], [1])]);
    expect(() => openSafetensors(files)).toThrow(/tensor a is in another shard too/);
  });

  it("of pickles alone is refused with the way out", async () => {
    await using folder = await temporaryFolder();
    await mkdir(path.join(folder.path, "x"));
    const finding = findSafetensors(folder.path, ["config.json", "pytorch_model.bin"]);
    await expect(finding).rejects.toThrow(/pickle can run code.*save_pretrained/);
    await expect(finding).rejects.toBeInstanceOf(NotAModelError);
  });
});
