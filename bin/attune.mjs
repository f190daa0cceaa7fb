#!/usr/bin/env node
/** @file `npx attune …`: compiles the command line if its sources changed, then runs it in this process. */
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { buildProcesses } from "./build.mjs";
import { checkNode } from "./setup/check-machine.mjs";
import { runWithHugePages } from "./setup/huge-pages.mjs";
import { installPackages } from "./setup/install-packages.mjs";
import { distFolder, inProject } from "./setup/project.mjs";
import { dataFolder, loadSettingsFile } from "./setup/settings.mjs";
import { explain, StepFailure } from "./setup/terminal.mjs";

const trains = ["pretrain", "sft", "reward", "ppo"].includes(process.argv[2] ?? "");

try {
  checkNode();
  loadSettingsFile();
  // The command may be called from anywhere; the data folder is the project's.
  process.env.ATTUNE_DATA = dataFolder();
  // Results are on the standard output; what the server would log is not part of them.
  process.env.LOG_LEVEL ||= "warn";
  if (!fs.existsSync(inProject("node_modules"))) {
    console.error("Installing packages (once) …");
    await installPackages();
  }
  await compile();
  if (!(trains && (await runWithHugePages()))) {
    process.setSourceMapsEnabled(true);
    await import(pathToFileURL(path.join(distFolder, "attune.js")).href);
  }
} catch (error) {
  explain(error);
  process.exitCode = 1;
}

async function compile() {
  try {
    await buildProcesses();
  } catch (cause) {
    throw new StepFailure({
      failed: "The command line does not compile.",
      safe: "no data was touched.",
      remedy: "undo the change named above (`git diff`).",
      log: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
}
