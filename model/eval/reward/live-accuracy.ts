/**
 * @file A reward model on rankings that came after it: how often it orders pairs as people do, over time, by the policy that
 * wrote the responses, beside how far people agree there, and whether that has fallen below what its report promised.
 */
import { agreementOf, type Meeting, meetingsBetween } from "../agreement";
import type { BootstrapOptions, Interval } from "../bootstrap";
import { pairsOf, type Ranking } from "../ranking";
import { type Figure, meanOfUnits } from "./accuracy";
import { creditOf } from "./scored-prompt";

/** Pairs that a score orders as a labeler did; equal scores count half. */
export type PairCount = { pairs: number; agreed: number };
/** Of pairs whose two responses one policy wrote; null: two policies, or nobody knows. */
export type PolicyCount = PairCount & { policy: string | null };

export type LiveRanking = {
  task: string;
  /** What intervals resample. */
  prompt: string;
  labeler: string;
  /** Milliseconds since 1970. */
  at: number;
  counts: readonly PolicyCount[];
  /** With `policyOf`, of the same responses: for the agreement of labelers. */
  ranking: Ranking;
  policyOf: ReadonlyMap<string, string | null>;
};

export type LivePoint = {
  /** Milliseconds since 1970: of its first and its last ranking. */
  from: number;
  to: number;
  accuracy: Figure;
  /** Of labelers who ranked the same tasks; null where nobody did. */
  agreement: { share: number; interval: Interval | null; pairs: number } | null;
};

export type LiveSeries = {
  /** null: all pairs, those of two policies included. */
  policy: string | null;
  accuracy: Figure;
  /** Of the newest `recentPrompts` prompts. */
  recent: Figure;
  points: LivePoint[];
};

/** A point stands for about so many prompts at least, and a chart has so many points at most. */
const promptsPerPoint = 20;
const mostPoints = 12;
export const recentPrompts = 100;

/** Counts the untied pairs of one ranking. @param scores beside their responses' ids */
export function countPairs(
  ranking: Ranking,
  scores: ReadonlyMap<string, number>,
  policyOf: ReadonlyMap<string, string | null>,
): PolicyCount[] {
  const counts = new Map<string | null, PairCount>();
  for (const { chosen, rejected } of pairsOf(ranking).comparisons) {
    const [better, worse] = [scores.get(chosen), scores.get(rejected)];
    if (better === undefined || worse === undefined) continue;
    const policy = sharedPolicy(policyOf, chosen, rejected);
    const { pairs, agreed } = counts.get(policy) ?? { pairs: 0, agreed: 0 };
    counts.set(policy, { pairs: pairs + 1, agreed: agreed + creditOf(better - worse) });
  }
  return [...counts].map(([policy, count]) => ({ policy, ...count }));
}

function sharedPolicy(policyOf: ReadonlyMap<string, string | null>, a: string, b: string): string | null {
  const policy = policyOf.get(a) ?? null;
  return policy === (policyOf.get(b) ?? null) ? policy : null;
}

/** All pairs first, then each policy's, the one with most pairs first. */
export function liveSeries(rankings: readonly LiveRanking[], options: BootstrapOptions): LiveSeries[] {
  const inOrder = rankings.toSorted((a, b) => a.at - b.at);
  const pairs = new Map<string, number>();
  for (const { policy, pairs: own } of inOrder.flatMap(({ counts }) => counts)) {
    if (policy !== null) pairs.set(policy, (pairs.get(policy) ?? 0) + own);
  }
  const policies = [...pairs].toSorted(([, a], [, b]) => b - a).map(([policy]) => policy);
  return [null, ...policies].map((policy) => seriesOf(inOrder, policy, options));
}

function seriesOf(
  rankings: readonly LiveRanking[],
  policy: string | null,
  options: BootstrapOptions,
): LiveSeries {
  const own = rankings.filter(({ counts }) =>
    counts.some((count) => policy === null || count.policy === policy),
  );
  const meetings = meetingsBetween(own.map((each) => ({ ...each, ranking: rankingOf(each, policy) })));
  return {
    policy,
    accuracy: accuracyOn(own, policy, options),
    recent: accuracyOn(newest(own, recentPrompts), policy, options),
    points: blocksOf(own).map((block) => pointOf(block, policy, meetings, options)),
  };
}

function accuracyOn(
  rankings: readonly LiveRanking[],
  policy: string | null,
  options: BootstrapOptions,
): Figure {
  const prompts = new Map<string, PairCount>();
  for (const { prompt, counts } of rankings) {
    const known = prompts.get(prompt) ?? { pairs: 0, agreed: 0 };
    for (const count of counts) {
      if (policy !== null && count.policy !== policy) continue;
      known.pairs += count.pairs;
      known.agreed += count.agreed;
    }
    prompts.set(prompt, known);
  }
  const units = [...prompts.values()].map(({ agreed, pairs }) => ({ sum: agreed, count: pairs }));
  const { mean, interval } = meanOfUnits(units, options);
  const pairs = units.reduce((sum, { count }) => sum + count, 0);
  return { share: mean, interval, pairs, prompts: prompts.size };
}

/** What the labeler said of this policy's responses. */
function rankingOf({ ranking, policyOf }: LiveRanking, policy: string | null): Ranking {
  if (policy === null) return ranking;
  return new Map([...ranking].filter(([response]) => policyOf.get(response) === policy));
}

/** Runs of about as many rankings each, in the order they were made. */
function blocksOf(rankings: readonly LiveRanking[]): LiveRanking[][] {
  const prompts = new Set(rankings.map(({ prompt }) => prompt)).size;
  if (prompts === 0) return [];
  const blocks = Math.min(mostPoints, Math.max(1, Math.floor(prompts / promptsPerPoint)));
  const placeOf = (block: number) => Math.round((block * rankings.length) / blocks);
  return Array.from({ length: blocks }, (_, block) => rankings.slice(placeOf(block), placeOf(block + 1)));
}

function pointOf(
  block: readonly LiveRanking[],
  policy: string | null,
  meetings: readonly Meeting[],
  options: BootstrapOptions,
): LivePoint {
  const [from, to] = [block[0]?.at ?? 0, block.at(-1)?.at ?? 0];
  const met = meetings.filter(({ at }) => at >= from && at <= to);
  // By task, as the accuracy beside it is by prompt.
  const { share, interval, pairs } = agreementOf(met, { ...options, unit: "tasks" });
  return {
    from,
    to,
    accuracy: accuracyOn(block, policy, options),
    agreement: share === null ? null : { share, interval, pairs },
  };
}

/** From the end of `rankings`, as many as come from the newest so many prompts. */
function newest(rankings: readonly LiveRanking[], most: number): LiveRanking[] {
  const prompts = new Set<string>();
  const taken: LiveRanking[] = [];
  for (const ranking of rankings.toReversed()) {
    if (!prompts.has(ranking.prompt) && prompts.size === most) break;
    prompts.add(ranking.prompt);
    taken.push(ranking);
  }
  return taken;
}

/**
 * True where the two intervals do not meet: at 95 % each that is far less likely by chance than one time in twenty, which
 * leaves room for looking again after every ranking.
 */
export function hasFallen(recent: Figure, promised: Pick<Figure, "interval">): boolean {
  return (
    recent.interval !== null && promised.interval !== null && recent.interval.high < promised.interval.low
  );
}
