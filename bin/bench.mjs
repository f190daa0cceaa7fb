/** @file `npm run bench -- <name> [--quick] [--seed n] [--json]`: compiles and runs one benchmark; the last line is one JSON object. */
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { buildProcesses } from "./build.mjs";
import { runWithHugePages } from "./setup/huge-pages.mjs";
import { distFolder, inProject } from "./setup/project.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean" },
    help: { type: "boolean" },
  },
});
const names = fs
  .readdirSync(inProject("bench"))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replace(/\.ts$/, ""));
const [name] = positionals;
/** These train in their own process, as a stage does. */
const trains = ["train-step", "reward-step", "reward-data", "ppo-learning", "ppo-iteration"].includes(
  name ?? "",
);

if (values.help || !name || !names.includes(name)) {
  if (name && !values.help) console.error(`There is no benchmark "${name}".`);
  console.log(`npm run bench -- <name> [--quick] [--seed n] [--json]\n\n  ${names.join("\n  ")}`);
  process.exitCode = values.help ? 0 : 2;
} else if (!(trains && (await runWithHugePages()))) {
  await buildProcesses();
  process.setSourceMapsEnabled(true);
  const { default: run } = await import(pathToFileURL(path.join(distFolder, "bench", `${name}.js`)).href);
  const result = await run({ quick: values.quick ?? false, seed: Number(values.seed) });
  const report = { name, n: result.n, hardware: hardware(), versions: versions(), ...result };
  if (!values.json) console.log(JSON.stringify(report, null, 2));
  console.log(JSON.stringify(report));
}

function hardware() {
  const [cpu] = os.cpus();
  return {
    cpu: cpu?.model ?? "unknown",
    cores: os.availableParallelism(),
    memoryGb: Math.round(os.totalmem() / 1e9),
  };
}

function versions() {
  const require = createRequire(import.meta.url);
  const versionOf = (/** @type {string} */ file) => JSON.parse(fs.readFileSync(file, "utf8")).version;
  return {
    attune: versionOf(inProject("package.json")),
    node: process.versions.node,
    next: versionOf(require.resolve("next/package.json")),
    onnxruntime: versionOf(require.resolve("onnxruntime-node/package.json")),
  };
}
