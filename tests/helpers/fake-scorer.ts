/**
 * @file A real scoring process around a reward model that counts words. Commands in a response: [nan] scores no number,
 * [kill] ends the process, [cut] says that it was cut. A folder named “broken” cannot be loaded; one
 * named “ensemble” is of two members, which differ by one about a response with [split].
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deviationOf } from "@/model/eval/reward/member-spread";
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
      return responses.map((text) =>
        fakeScore(text, { withTokens, isEnsemble: path.basename(folder) === "ensemble" }),
      );
    },
  };
});

type Fake = { withTokens: boolean; isEnsemble: boolean };

function fakeScore(text: string, { withTokens, isEnsemble }: Fake): ResponseScore {
  if (text.includes("[kill]")) process.kill(process.pid, "SIGKILL");
  const words = text.split(/\s+/).filter(Boolean);
  const score = text.includes("[nan]") ? Number.NaN : words.length;
  const memberScores = text.includes("[split]") ? [score - 0.5, score + 0.5] : [score, score];
  return {
    score,
    deviation: isEnsemble ? deviationOf(memberScores) : null,
    memberScores: isEnsemble ? memberScores : null,
    tokens: words.length,
    cutTokens: text.includes("[cut]") ? 3 : 0,
    perToken: withTokens ? words.map((word, at) => ({ text: `${word} `, score: at + 1 })) : null,
  };
}
