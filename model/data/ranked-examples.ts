/** @file Rankings as a reward model learns them: responses as tokens, and which of them should score higher, by how much. */
import { bradleyTerryConsensus } from "../eval/consensus";
import { createRanking, pairsOf, type Ranking } from "../eval/ranking";
import { permutation } from "../random/permutation";
import type { RankedPrompt, ResponseRanking } from "./rankings/ranked-prompt";
import type { ResponseGroup } from "./response-groups";

/** Of one prompt; `weight` is what the pair counts in the prompt's loss. */
export type WeightedPair = { chosen: number; rejected: number; weight: number };

export type RankedExample = ResponseGroup & {
  /** By the place of each response; none where everything is tied. */
  pairs: WeightedPair[];
  /** Pairs of all of its rankings that are tied: they are in no sum. */
  ties: number;
  /** Untied pairs of all of its rankings, equal ones counted each time. */
  comparisons: number;
  /** (members) of an ensemble: how often the prompt is in each one's own draw of the prompts; left out: once. */
  draws?: readonly number[];
};

/** `each`: every ranking by itself, so opposed ones pull against each other; `consensus`: what they agree on. */
export type OnConflict = "each" | "consensus";

/**
 * A ranking of K responses gives each of its untied pairs 1 / C(K, 2), tied ones counted in C(K, 2) as in InstructGPT; several
 * rankings of one prompt count equally, so that each prompt counts once.
 */
export function weighPairs(
  { responses, rankings }: Pick<RankedPrompt, "responses" | "rankings">,
  onConflict: OnConflict,
): Pick<RankedExample, "pairs" | "ties" | "comparisons"> {
  const ids = responses.map((_, place) => String(place));
  const all = rankings
    .map(({ ranks }: ResponseRanking) => createRanking(ids, ranks))
    .filter(({ size }) => size >= 2);
  const counted: Ranking[] =
    onConflict === "consensus" && all.length > 1 ? [bradleyTerryConsensus(all).ranking] : all;
  const weights = new Map<string, WeightedPair>();
  let ties = 0;
  let comparisons = 0;
  for (const ranking of counted) {
    const found = pairsOf(ranking);
    ties += found.ties.length;
    comparisons += found.comparisons.length;
    const share = 1 / (found.ties.length + found.comparisons.length) / counted.length;
    for (const { chosen, rejected } of found.comparisons) {
      const key = `${chosen} ${rejected}`;
      const known = weights.get(key);
      if (known) known.weight += share;
      else weights.set(key, { chosen: Number(chosen), rejected: Number(rejected), weight: share });
    }
  }
  return { pairs: [...weights.values()], ties, comparisons };
}

/** Number of the permutation that says what is held out; that of demonstrations, for no run has both. */
const splitEpoch = 2 ** 32 - 1;

/**
 * Which rows are held out: whole prompts (spaces and letter case aside), and all prompts of a user where rows name one
 * (`meta.user`), so that nothing held out was seen in training.
 * @returns the places, about `share` of the rows, the same for the same seed
 */
export function heldOutPrompts(
  records: readonly Pick<RankedPrompt, "prompt" | "meta">[],
  { seed, share }: { seed: number; share: number },
): Set<number> {
  const clusters = clusterRows(records);
  const wanted = Math.round(records.length * share);
  const heldOut = new Set<number>();
  for (const at of permutation(seed, splitEpoch, clusters.length)) {
    const cluster = clusters[at] ?? [];
    // A user with much would take all of it.
    if (heldOut.size + cluster.length > wanted && (heldOut.size > 0 || cluster.length > records.length / 2))
      continue;
    if (heldOut.size < wanted) for (const place of cluster) heldOut.add(place);
  }
  return heldOut;
}

/** Rows that share a prompt or a user, directly or over others; in order of their first rows. */
function clusterRows(records: readonly Pick<RankedPrompt, "prompt" | "meta">[]): number[][] {
  const parent = records.map((_, place) => place);
  const find = (place: number): number => {
    let root = place;
    while (parent[root] !== root) root = parent[root] ?? root;
    parent[place] = root;
    return root;
  };
  const firstWith = new Map<string, number>();
  for (const [place, record] of records.entries()) {
    for (const key of keysOf(record)) {
      const first = firstWith.get(key);
      if (first === undefined) firstWith.set(key, place);
      else {
        const [a, b] = [find(first), find(place)];
        parent[Math.max(a, b)] = Math.min(a, b);
      }
    }
  }
  const clusters = new Map<number, number[]>();
  for (const place of records.keys()) {
    const root = find(place);
    clusters.set(root, [...(clusters.get(root) ?? []), place]);
  }
  return [...clusters.values()];
}

/** Beside the rows: a number that is the same for rows that are to stay together. */
export function promptClusters(records: readonly Pick<RankedPrompt, "prompt" | "meta">[]): number[] {
  const clusterOf: number[] = [];
  for (const [cluster, places] of clusterRows(records).entries())
    for (const place of places) clusterOf[place] = cluster;
  return clusterOf;
}

/** Equal for the same prompt, spaces and letter case aside. */
export function promptKey({ prompt }: Pick<RankedPrompt, "prompt">): string {
  const plain = (text: string) => text.toLowerCase().replace(/\s+/g, " ").trim();
  return prompt.map(({ role, content }) => `${role}: ${plain(content)}`).join("\n");
}

function keysOf({ prompt, meta }: Pick<RankedPrompt, "prompt" | "meta">): string[] {
  const user = typeof meta?.user === "string" && meta.user !== "" ? [`user ${meta.user}`] : [];
  return [`prompt ${promptKey({ prompt })}`, ...user];
}
