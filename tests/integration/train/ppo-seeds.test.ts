/** @file `attune ppo --seeds`: stopped in the second seed, gone on with, and told together. */
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { runAttune, startAttune } from "../../helpers/attune-command";
import { ppoConfig, storyPrompts, tinyRewardModel } from "../../helpers/ppo-run";
import { temporaryFolder } from "../../helpers/temporary-folder";

vi.setConfig({ testTimeout: 240_000 });

test("stopped in its second seed, the same command goes on there, and ends with median and range", async () => {
  await using temporary = await temporaryFolder();
  const folder = temporary.path;
  const places = { folder, rewardModel: await tinyRewardModel(folder), prompts: await storyPrompts(folder) };
  const file = path.join(folder, "ppo.json");
  await writeFile(file, JSON.stringify(ppoConfig(places, "run", { iterations: 1, criticWarmup: 0 })));
  const args = ["ppo", "--config", file, "--seeds", "2"];
  const stopped = await startAttune(args, (line, attune) => {
    if (line.startsWith("Seed 2 (2 of 2)")) attune.kill("SIGINT");
  }).ended;
  expect(stopped.code).toBe(130);
  const told = stopped.lines.join("\n");
  expect(told).toMatch(/^seed 1 .*held-out score -?\d+\.\d{3} .*run\/seed-1\/checkpoints\/step-00000/m);
  expect(told).toMatch(/^seed 2 .*stopped after iteration 0 of 1/m);
  expect(told).toContain("The same command goes on with those that are not finished.");
  const whole = await runAttune([...args, "--json"]);
  expect(whole.code).toBe(0);
  const summary = JSON.parse(whole.lines.at(-1) ?? "");
  expect(summary).toMatchObject({
    stage: "ppo",
    finished: true,
    seeds: [
      { seed: 1, paused: null },
      { seed: 2, output: path.join(folder, "run/seed-2"), summary: { finished: true, steps: 1 } },
    ],
  });
  for (const name of ["heldOutScore", "heldOutKl", "heldOutWin"]) {
    const { median, least, greatest } = summary.spread[name];
    expect(least <= median && median <= greatest).toBe(true);
  }
});
