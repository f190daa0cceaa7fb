/** @file Prints what a reward model scores, and at which tokens: `npx tsx reward-scores.ts <folder> <prompt> <JSON of responses>`. */
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { renderGroup } from "@/model/data/render-group";
import { Scorer } from "@/model/runtime/scorer";

const [folder, content, texts] = process.argv.slice(2);
if (!folder || !content || !texts) throw new Error("Usage: <folder> <prompt> <JSON of responses>");

const prompt = [{ role: "user" as const, content }];
const responses = JSON.parse(texts) as string[];
using checkpoint = await openCheckpoint(folder);
const group = renderGroup(checkpoint, prompt, responses, checkpoint.config.contextLength);
await using scorer = await Scorer.open(folder, { threads: 1 });
const scores = (await scorer.score(prompt, responses)).map(({ score }) => score);
const ids = group.responses.map((response) => [...group.prompt, ...response]);
console.log(JSON.stringify({ scores, scoreBias: scorer.scoreBias, ids }));
