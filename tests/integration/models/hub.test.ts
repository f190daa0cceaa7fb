/** @file Fetching from a hub: resumed, checked, and given up on in time. */
import fs from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import path from "node:path";
import { expect, test } from "vitest";
import { fetchFromHub } from "@/server/models/hub";
import { type ModelEnv, ModelSourceError, SourceUnavailableError } from "@/server/models/model-report";
import { fakeHub } from "../../helpers/fake-hub";
import { temporaryFolder } from "../../helpers/temporary-folder";

const repo = "someone/some-model";
const weights = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) % 251));
const files = {
  "config.json": Buffer.from('{"model_type":"llama"}'),
  "tokenizer.json": Buffer.from("{}"),
  "model.safetensors": weights,
  "pytorch_model.bin": Buffer.from("pickle"),
  "README.md": Buffer.from("# model"),
};
const report = { say: () => {}, progress: () => {} };
const envFor = (hubUrl: string): ModelEnv => ({ ATTUNE_DATA: "unused", HF_ENDPOINT: hubUrl });

test("fetches configuration, tokenizer and safetensors, and never pickle", async () => {
  await using hub = await fakeHub(repo, files);
  await using folder = await temporaryFolder();
  const { source } = await fetchFromHub({ id: repo, folder: folder.path, env: envFor(hub.url), report });
  expect(source).toBe(folder.path);
  expect((await fs.readdir(folder.path)).sort()).toEqual([
    "config.json",
    "model.safetensors",
    "tokenizer.json",
  ]);
  expect(weights.equals(await fs.readFile(path.join(folder.path, "model.safetensors")))).toBe(true);
});

test("goes on from where a cut download stopped", async () => {
  await using hub = await fakeHub(repo, files);
  await using folder = await temporaryFolder();
  hub.cutAfterBytes = 1_000_000;
  const fetching = () => fetchFromHub({ id: repo, folder: folder.path, env: envFor(hub.url), report });
  await expect(fetching()).rejects.toThrow();
  const [part] = (await fs.readdir(folder.path)).filter((name) => name.endsWith(".part"));
  const { size } = await fs.stat(path.join(folder.path, part ?? ""));
  expect(size).toBeGreaterThan(0);
  expect(await fs.readdir(folder.path)).not.toContain("model.safetensors");

  hub.requests.length = 0;
  await fetching();
  expect(hub.requests.some((request) => request.includes(`bytes=${size}-`))).toBe(true);
  expect(weights.equals(await fs.readFile(path.join(folder.path, "model.safetensors")))).toBe(true);
});

test("throws damaged bytes away and names the file", async () => {
  await using hub = await fakeHub(repo, files);
  await using folder = await temporaryFolder();
  hub.corrupts = true;
  const fetching = () => fetchFromHub({ id: repo, folder: folder.path, env: envFor(hub.url), report });
  await expect(fetching()).rejects.toThrow(/config\.json .* damaged/);
  hub.corrupts = false;
  await fetching();
  expect(weights.equals(await fs.readFile(path.join(folder.path, "model.safetensors")))).toBe(true);
});

test("gives up within seconds on a hub that never answers", async () => {
  const silent = net.createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  await using folder = await temporaryFolder();
  const startedAt = Date.now();
  const env = envFor(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  await expect(fetchFromHub({ id: repo, folder: folder.path, env, report })).rejects.toThrow(
    SourceUnavailableError,
  );
  expect(Date.now() - startedAt).toBeLessThan(8_000);
  silent.close();
});

test("a refusal names the repository and what to check", async () => {
  await using hub = await fakeHub(repo, files);
  await using folder = await temporaryFolder();
  hub.refusesWith = 401;
  const fetching = fetchFromHub({ id: repo, folder: folder.path, env: envFor(hub.url), report });
  await expect(fetching).rejects.toThrow(ModelSourceError);
  await expect(fetching).rejects.toThrow(/refuses someone\/some-model \(401\).*HF_TOKEN/);
});

test("of several GGUF files one must be named, and then only that one is fetched", async () => {
  const ggufs = { "a-Q4.gguf": Buffer.from("GGUF-a"), "a-Q8.gguf": Buffer.from("GGUF-b") };
  await using hub = await fakeHub(repo, ggufs);
  await using folder = await temporaryFolder();
  const fetching = (id: string) => fetchFromHub({ id, folder: folder.path, env: envFor(hub.url), report });
  await expect(fetching(repo)).rejects.toThrow(/name one: someone\/some-model\/a-Q4\.gguf/);
  const { source } = await fetching(`${repo}/a-Q8.gguf`);
  expect(source).toBe(path.join(folder.path, "a-Q8.gguf"));
  expect(await fs.readdir(folder.path)).toEqual(["a-Q8.gguf"]);
});
