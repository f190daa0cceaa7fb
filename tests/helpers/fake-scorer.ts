/**
 * @file A real scoring process around a reward model that counts words. Commands in a response: [nan] scores no number,
 * [kill] ends the process, [cut] says that it was cut. A folder named “broken” cannot be loaded.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ResponseScore } from "@/server/scoring/protocol";
import { runScorer } from "@/server/scoring/run-scorer";

class NotARewardModelError extends Error {
  override readonly name = "NotARewardModelError";
}

runScorer(async (folder) => {
  if (path.basename(folder) === "broken") throw new NotARewardModelError("broken is no reward model.");
  return {
    async score({ responses, withTokens }) {
      await sleep(1);
      return responses.map((text) => fakeScore(text, withTokens));
    },
  };
});

function fakeScore(text: string, withTokens: boolean): ResponseScore {
  if (text.includes("[kill]")) process.kill(process.pid, "SIGKILL");
  const words = text.split(/\s+/).filter(Boolean);
  return {
    score: text.includes("[nan]") ? Number.NaN : words.length,
    tokens: words.length,
    cutTokens: text.includes("[cut]") ? 3 : 0,
    perToken: withTokens ? words.map((word, at) => ({ text: `${word} `, score: at + 1 })) : null,
  };
}
