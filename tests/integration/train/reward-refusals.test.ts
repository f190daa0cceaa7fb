/** @file What cannot become a reward model, or is asked of one that it cannot do, is refused before time is spent: with the fact and the remedy. */
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runAttune } from "../../helpers/attune-command";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";
const inFolder = (name: string) => path.join(folder, name);

const row = (prompt: string, texts: string[], ranks: (number | null)[]) =>
  `${JSON.stringify({ prompt, responses: texts.map((text) => ({ text })), rankings: [{ ranks }] })}\n`;
const good = row("Say cat", ["cat", "dog"], [1, 2]);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-reward-refusals-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function reward(lines: string, more: Record<string, unknown> = {}) {
  const data = inFolder("data.jsonl");
  const config = inFolder("config.json");
  const output = inFolder("output");
  await writeFile(data, lines);
  await writeFile(
    config,
    JSON.stringify({ model: tiny, data: [data], output, threads: 1, validationShare: 0, ...more }),
  );
  const result = await runAttune(["reward", "--config", config]);
  // Nothing was begun.
  expect(existsSync(output)).toBe(false);
  return result;
}

test("rankings without an untied pair", async () => {
  const { code, errors } = await reward(
    row("Say cat", ["cat", "dog"], [1, 1]) + row("Say dog", ["a", "b", "c"], [1, 1, 1]),
  );
  expect(code).toBe(1);
  expect(errors).toContain(
    "no pair of responses of which one is preferred: all responses of 2 of 2 prompts are tied (4 pairs)",
  );
  expect(errors).toContain("take rankings with fewer ties");
});

test("a ranking that refers to a missing response, named by its line; skipped where that is asked for and nothing is left", async () => {
  const bad = row("Say dog", ["dog", "cat"], [1, 2, 3]);
  const { code, errors } = await reward(good + bad);
  expect(code).toBe(1);
  expect(errors).toContain("data.jsonl:2 rankings.0.ranks: 3 ranks for 2 responses");
  expect((await reward(bad, { onBadLine: "skip" })).errors).toContain("none of 0 prompts can be used");
});

test("a response longer than the context, where cutting it is refused; how it is cut is a setting", async () => {
  const long = row("Say dog", ["dog", "dog ".repeat(2000)], [1, 2]);
  const { code, errors } = await reward(long, { onLongResponse: "refuse", longestTokens: 64 });
  expect(code).toBe(1);
  expect(errors).toContain(
    "data.jsonl:1 has 1 of 2 responses that do not fit beside the prompt in 64 tokens (longestTokens)",
  );
  expect((await reward(long, { onLongResponse: "skip", longestTokens: 64 })).errors).toContain(
    "no pair of responses",
  );
  const beyond = await reward(good, { longestTokens: 1_000_000 });
  expect(beyond.code).toBe(2);
  expect(beyond.errors).toContain("longestTokens: 1000000 is more than the model's context");
});

test("a base of another family, and one that is a reward model", async () => {
  const manifest = JSON.parse(await readFile(path.join(tiny, "attune.json"), "utf8"));
  const changed = async (name: string, config: object, facts: object) => {
    const copy = inFolder(name);
    await cp(tiny, copy, { recursive: true });
    const json = { ...JSON.parse(await readFile(path.join(copy, "config.json"), "utf8")), ...config };
    await writeFile(path.join(copy, "config.json"), JSON.stringify(json));
    const { "config.json": _, ...files } = manifest.files;
    await writeFile(path.join(copy, "attune.json"), JSON.stringify({ ...manifest, ...facts, files }));
    return copy;
  };
  const other = await reward(good, { model: await changed("mamba", { model_type: "mamba" }, {}) });
  expect(other.errors).toContain('found model_type "mamba"');
  const second = await reward(good, { model: await changed("scorer", {}, { stage: "reward" }) });
  expect(second.errors).toContain("is a reward model. Start from a language model");
});
