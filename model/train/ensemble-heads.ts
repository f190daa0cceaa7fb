/** @file What sets the members of an ensemble apart, and what they say together. */
import type { RankedExample } from "../data/ranked-examples";
import { drawWeights } from "../eval/bootstrap";

/** Of the counter of the draws: intervals draw at 0. */
const memberPosition = 1;

/** Each member has prompts drawn for it with replacement, as many as there are (bagging, Breiman 1996). */
export function drawForMembers(
  examples: readonly RankedExample[],
  { seed, members }: { seed: number; members: number },
): readonly RankedExample[] {
  if (members === 1) return examples;
  const draws = Array.from({ length: members }, (_, member) =>
    drawWeights(seed, member, examples.length, memberPosition),
  );
  return examples.map((example, at) => ({ ...example, draws: draws.map((counts) => counts[at] ?? 0) }));
}

/** (members, width) -> (width). A mean of linear heads is the head of mean weights. */
export function meanHead(heads: Float32Array, width: number): Float32Array {
  const members = heads.length / width;
  return Float32Array.from({ length: width }, (_, j) => {
    let sum = 0;
    for (let member = 0; member < members; member++) sum += heads[member * width + j] ?? 0;
    return sum / members;
  });
}

/** (R * members), response by response -> (R) */
export function meanScores(memberScores: Float32Array, members: number): Float32Array {
  return Float32Array.from({ length: memberScores.length / members }, (_, response) => {
    const own = memberScores.subarray(response * members, (response + 1) * members);
    return own.reduce((sum, score) => sum + score, 0) / members;
  });
}
