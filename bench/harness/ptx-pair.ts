/** @file PPO twice from one start, without and with text to learn beside it: what each wins by gold, and what it costs on text. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { readDocuments } from "@/model/data/read-documents";
import { ServedPolicy } from "@/model/eval/served-policy";
import { kept } from "./gold-world";
import {
  compareWithStart,
  type LearningPlan,
  learn,
  planId,
  rounded,
  sample,
  trainRewardModel,
  type Where,
  winShares,
  withInterval,
} from "./ppo-seed";

export type PtxRun = {
  /** Preferred over the start by gold, on prompts that neither saw. */
  winRate: number;
  low: number;
  high: number;
  kl: number;
  bitsPerByte: number;
  minutes: number;
};

export type PtxPair = {
  seed: number;
  plan: string;
  /** Of the text that no run saw. */
  bytes: number;
  startBitsPerByte: number;
  without: PtxRun;
  with: PtxRun;
};

/**
 * The text is what the reference policy says to the prompts learned from, and the first half of a file; bits per byte are of its
 * second half.
 * @param plan.ppo without `ptx`; both runs have as many iterations
 */
export async function learnPtxPair(plan: LearningPlan, textFile: string, where: Where): Promise<PtxPair> {
  const { seed, folder } = where;
  const rewardModel = await trainRewardModel(plan, where);
  const { learned, unseen } = await splitText(plan, textFile, where);
  const runs = { without: null, with: { data: learned, perEpisode: 1 } };
  const measure = async (name: keyof typeof runs): Promise<PtxRun> => {
    const run = `ptx-${name}-${seed}`;
    const settings = { ...plan.ppo, ptx: runs[name] };
    const { checkpoint, kl, minutes } = await kept(folder, run, () =>
      learn({ ...plan, ppo: settings }, rewardModel.checkpoint, where, { name: run }),
    );
    const { goldOfStart, goldOfPolicy } = await compareWithStart(plan, checkpoint, where);
    return {
      ...withInterval(winShares(goldOfPolicy, goldOfStart)),
      kl: rounded(kl),
      bitsPerByte: await bitsPerByte(checkpoint, unseen, plan, where),
      minutes: rounded(minutes),
    };
  };
  return {
    seed,
    plan: planId(plan),
    bytes: unseen.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
    startBitsPerByte: await bitsPerByte(plan.model, unseen, plan, where),
    without: await measure("without"),
    with: await measure("with"),
  };
}

/** Documents of the second half that are measured: minutes, on two cores. */
const mostUnseen = 16;

/** @returns files to learn from, and texts to measure on */
async function splitText(plan: LearningPlan, textFile: string, where: Where) {
  const folder = path.join(where.folder, "ptx-text");
  await mkdir(folder, { recursive: true });
  const text = await readFile(textFile, "utf8");
  const middle = text.indexOf("\n", text.length / 2) + 1;
  const halves = [path.join(folder, "learned.txt"), path.join(folder, "unseen.txt")] as const;
  await writeFile(halves[0], text.slice(0, middle));
  await writeFile(halves[1], text.slice(middle));
  const prompts = plan.world.trained;
  const said = await kept(folder, "said", () =>
    sample(plan, where, { of: plan.model, prompts, perPrompt: 1, at: 5 }),
  );
  const lines = prompts.flatMap(({ prompt }, i) =>
    (said[i] ?? []).map((response) => `${JSON.stringify({ text: `${prompt}\n${response}` })}\n`),
  );
  const saidFile = path.join(folder, "said.jsonl");
  await writeFile(saidFile, lines.join(""));
  const { documents } = await readDocuments([halves[1]]);
  return { learned: [saidFile, halves[0]], unseen: documents.slice(0, mostUnseen) };
}

async function bitsPerByte(
  checkpoint: string,
  texts: readonly string[],
  { model }: LearningPlan,
  { folder, threads }: Where,
): Promise<number> {
  await using policy = await ServedPolicy.open(checkpoint, {
    precision: "fp32",
    threads,
    slots: 1,
    cacheFolder: path.join(folder, "serving"),
    basePlaces: [model, path.dirname(model)],
  });
  let [nats, bytes] = [0, 0];
  for (const text of texts) {
    const read = await policy.textLogprobs(text);
    nats -= read.logprobs.reduce((sum, value) => sum + value, 0);
    bytes += read.bytes;
  }
  return rounded(nats / Math.LN2 / bytes);
}
