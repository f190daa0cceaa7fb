/** @file Folds and the learning curve of a reward model's run: who judges what, what is kept of a cut run, and what is refused. */
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { readRewardTrials } from "@/model/eval/reward/read-report";
import { measureLearningCurve, type RewardEvent, runReward } from "@/model/train/reward";
import { type RewardConfig, rewardConfigSchema } from "@/model/train/reward-config";
import { parseConfig } from "@/model/train/run-config";
import { temporaryFolder } from "@/tests/helpers/temporary-folder";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
const words =
  "dog cat horse duck goat fox bear owl pig hen bird fish sun moon star tree leaf rain snow wind red blue green milk".split(
    " ",
  );

type Written = Awaited<ReturnType<typeof write>>;

/** Every labeler likes the word itself best, and capital letters least. */
async function write(folder: string, labelersOf: (place: number) => string[]) {
  const data = path.join(folder, "rankings.jsonl");
  const lines = words.map((word, i) =>
    JSON.stringify({
      prompt: `Say ${word}`,
      responses: [{ text: word.toUpperCase() }, { text: `${word}!` }, { text: word }],
      rankings: labelersOf(i).map((labeler) => ({ ranks: [3, 2, 1], labeler })),
    }),
  );
  await writeFile(data, lines.join("\n"));
  const config = (name: string, more: Record<string, unknown> = {}): RewardConfig =>
    parseConfig(rewardConfigSchema, {
      model: tiny,
      data: [data],
      output: path.join(folder, name),
      validationShare: 0.25,
      threads: 1,
      probePrompts: 0,
      evaluateEverySteps: 100,
      saveEverySteps: 100,
      lora: { rank: 2, alpha: 4 },
      ...more,
    });
  return { folder, config };
}

async function run(config: RewardConfig, stopAt?: RegExp) {
  const notes: string[] = [];
  const controller = new AbortController();
  const onEvent = (event: RewardEvent) => {
    if (event.type !== "note") return;
    notes.push(event.text);
    if (stopAt?.test(event.text)) controller.abort();
  };
  const summary = await runReward(config, { onEvent, signal: controller.signal });
  return { summary, notes };
}

const alone = () => ["ann"];
const counts = { training: 18, validation: 6 };

describe("folds of prompts", () => {
  async function withFolds(written: Written, name: string, stopAt?: RegExp) {
    return run(written.config(name, { folds: 3, learningCurve: false }), stopAt);
  }

  test("judge every ranking once, and go with the checkpoint", async () => {
    await using folder = await temporaryFolder();
    const { summary } = await withFolds(await write(folder.path, alone), "run");
    const { folds } = summary;
    expect(summary).toMatchObject({ ...counts, finished: true, learningCurve: null });
    // Three pairs of each of 24 prompts.
    expect(folds?.pooled.accuracy).toMatchObject({ pairs: 72, prompts: 24 });
    expect(folds?.pooled.accuracy.share).toBeGreaterThan(folds?.pooled.longerWins.share ?? 1);
    expect(folds?.each.map(({ training, accuracy }) => training + accuracy.prompts)).toEqual([24, 24, 24]);
    expect(await readRewardTrials(summary.checkpoint)).toEqual({
      formatVersion: 1,
      folds,
      learningCurve: null,
    });
    await verifyCheckpoint(summary.checkpoint);
  });

  test("stopped in the second, the same command reads the first and comes to the same", async () => {
    await using folder = await temporaryFolder();
    const written = await write(folder.path, alone);
    const whole = await withFolds(written, "whole");
    await expect(withFolds(written, "cut", /Fold 2 of 3: trains/)).rejects.toMatchObject({
      name: "AbortError",
    });
    const folds = path.join(folder.path, "cut/folds");
    expect((await readdir(folds)).filter((name) => name.endsWith(".json"))).toEqual(["fold-1.json"]);
    const first = await readFile(path.join(folds, "fold-1.json"), "utf8");
    const resumed = await withFolds(written, "cut");
    expect(resumed.summary.folds).toEqual(whole.summary.folds);
    expect(await readFile(path.join(folds, "fold-1.json"), "utf8")).toBe(first);
  });
});

describe("folds of labelers", () => {
  /** Two of four each. */
  const inPairs = (place: number) => (place % 2 === 0 ? ["ann", "bob"] : ["cy", "di"]);

  test("are judged by labelers whose work was not trained on, named by pseudonym", async () => {
    await using folder = await temporaryFolder();
    const { config } = await write(folder.path, inPairs);
    const { summary } = await run(config("run", { folds: 4, foldsBy: "labelers", learningCurve: false }));
    expect(summary.folds?.each.flatMap(({ labelers }) => labelers).toSorted()).toEqual([
      "ann",
      "bob",
      "cy",
      "di",
    ]);
    // Twelve prompts are another pair's; the twelve judged, the colleague's rankings of them too, are left out.
    for (const { training, accuracy } of summary.folds?.each ?? []) {
      expect(training).toBe(12);
      expect(accuracy).toMatchObject({ prompts: 12, pairs: 36 });
    }
    // Each prompt is judged by two folds, and is one unit of the interval.
    expect(summary.folds?.pooled.accuracy).toMatchObject({ pairs: 144, prompts: 24 });
  });

  test("are refused before anything is trained where everybody ranked everything, or too few did", async () => {
    await using folder = await temporaryFolder();
    const everything = await write(folder.path, () => ["ann", "bob"]);
    const more = { folds: 2, foldsBy: "labelers" };
    await expect(run(everything.config("run", more))).rejects.toThrow(
      /folds: fold 1 leaves nothing to train on.* Take fewer folds, or fold by prompts/,
    );
    await expect(run(everything.config("run", { ...more, folds: 3 }))).rejects.toThrow(
      "folds: 2 labelers cannot fill 3 folds. Take fewer folds, or fold by prompts (foldsBy).",
    );
    expect(await readdir(folder.path)).toEqual(["rankings.jsonl"]);
  });
});

describe("the learning curve", () => {
  test("is of the same held-out prompts at each point, and its last one is what the run started from", async () => {
    await using folder = await temporaryFolder();
    const { config } = await write(folder.path, alone);
    const { summary } = await run(config("run"));
    const curve = summary.learningCurve;
    expect(curve?.points.map(({ prompts }) => prompts)).toEqual([2, 5, 9, 18]);
    for (const { accuracy } of curve?.points ?? []) expect(accuracy).toMatchObject({ prompts: 6, pairs: 18 });
    expect(curve?.points.at(-1)?.accuracy.share).toBeCloseTo(summary.pairAccuracyBefore ?? 0, 10);
    // The same without the run, and an ensemble's is that of one head.
    expect(await measureLearningCurve(config("none"), { onEvent: () => {} })).toEqual(curve);
    expect(await measureLearningCurve(config("none", { ensemble: 3 }), { onEvent: () => {} })).toEqual(curve);
    expect((await readdir(folder.path)).toSorted()).toEqual(["rankings.jsonl", "run"]);
  });

  test("stays with the checkpoints of a run that was stopped and goes on", async () => {
    await using folder = await temporaryFolder();
    const { config } = await write(folder.path, alone);
    const whole = await run(config("whole"));
    const controller = new AbortController();
    const onEvent = (event: RewardEvent) => event.type === "step" && controller.abort();
    const cut = await runReward(config("cut"), { onEvent, signal: controller.signal });
    expect(cut.finished).toBe(false);
    const resumed = await run(config("cut"));
    expect(resumed.summary).toMatchObject({ finished: true, learningCurve: whole.summary.learningCurve });
  });

  test("needs prompts that are held out, and says so where it alone is asked for", async () => {
    await using folder = await temporaryFolder();
    const { config } = await write(folder.path, alone);
    const none = config("none", { validationShare: 0 });
    await expect(measureLearningCurve(none, { onEvent: () => {} })).rejects.toThrow(
      /of 24 prompts 0 are held out/,
    );
    const { summary } = await run(config("run", { validationShare: 0 }));
    expect(summary.learningCurve).toBeNull();
    expect(await readdir(summary.checkpoint)).not.toContain("reward-trials.json");
  });
});
