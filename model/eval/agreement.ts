/**
 * @file How far labelers agree: over pairs of responses that two rankings of a task both have, grouped any way, with an
 * interval over labelers.
 *
 *   meetingsBetween / meetingsWith / meetingsWithOneself -> Meeting[]   (two rankings of one task, counted pair by pair)
 *   groupMeetings(meetings, keysOf) -> Map of key to Meeting[]          (labeler, pair of labelers, groups, month, …)
 *   agreementOf(meetings, { tieRule, unit, … }) -> Agreement            (share, interval, mean tau)
 *
 * Every pair of responses counts the same, so long rankings and busy labelers weigh more than others.
 */
import { type BootstrapOptions, bootstrapInterval, type Interval } from "./bootstrap";
import { kendallTauB } from "./kendall-tau";
import { countPairsBetween, type PairCounts } from "./pair-counts";
import type { Ranking } from "./ranking";

/** `at` orders a labeler's rankings of one task, and dates agreement: milliseconds since 1970, or any other count. */
export type LabelerRanking = { task: string; labeler: string; ranking: Ranking; at: number };

/** What becomes of a pair that one of the two ties; every figure is shown with the sentence of its rule. */
export const tieRules = {
  leaveOut: "Pairs that either of the two tied are left out.",
  half: "A tie with a tie agrees, a tie with an order counts half.",
} as const;
export type TieRule = keyof typeof tieRules;

/** Two rankings of one task. `second` is null where it is a reference, such as gold, that no labeler made. */
export type Meeting = {
  task: string;
  first: string;
  second: string | null;
  /** Of the later ranking. */
  at: number;
  counts: PairCounts;
  tauB: number | null;
};

/**
 * Every two labelers of a task. Where one ranked a task several times the earliest ranking stands, so that a repetition,
 * which is there to measure self-agreement, does not count twice.
 */
export function meetingsBetween(rankings: readonly LabelerRanking[]): Meeting[] {
  return [...groupInto(rankings, ({ task }) => [task]).values()].flatMap((ofTask) =>
    everyTwo(earliestOfEach(ofTask)).map(([a, b]) => meet(a, b)),
  );
}

/** Everyone with a reference of the task, such as gold or an expert's adjudication; tasks without one are passed over. */
export function meetingsWith(
  references: ReadonlyMap<string, Ranking>,
  rankings: readonly LabelerRanking[],
): Meeting[] {
  return rankings.flatMap(({ task, labeler, ranking, at }) => {
    const reference = references.get(task);
    return reference ? [{ task, first: labeler, second: null, at, ...compare(ranking, reference) }] : [];
  });
}

/** Each labeler's rankings of a task with the next one of the same task, in the order they were made. */
export function meetingsWithOneself(rankings: readonly LabelerRanking[]): Meeting[] {
  const repeated = groupInto(rankings, ({ task, labeler }) => [JSON.stringify([task, labeler])]).values();
  return [...repeated].flatMap((own) => {
    const inOrder = own.toSorted((a, b) => a.at - b.at);
    return inOrder.slice(1).flatMap((later, place) => {
      const earlier = inOrder[place];
      return earlier ? [meet(earlier, later)] : [];
    });
  });
}

function meet(a: LabelerRanking, b: LabelerRanking): Meeting {
  return {
    task: a.task,
    first: a.labeler,
    second: b.labeler,
    at: Math.max(a.at, b.at),
    ...compare(a.ranking, b.ranking),
  };
}

function compare(a: Ranking, b: Ranking): Pick<Meeting, "counts" | "tauB"> {
  return { counts: countPairsBetween(a, b), tauB: kendallTauB(a, b) };
}

function earliestOfEach(rankings: readonly LabelerRanking[]): LabelerRanking[] {
  const earliest = new Map<string, LabelerRanking>();
  for (const ranking of rankings) {
    const known = earliest.get(ranking.labeler);
    if (known === undefined || ranking.at < known.at) earliest.set(ranking.labeler, ranking);
  }
  return [...earliest.values()];
}

function everyTwo<T>(items: readonly T[]): [T, T][] {
  return items.flatMap((a, place) => items.slice(place + 1).map((b): [T, T] => [a, b]));
}

/**
 * Meetings by key; one may have several keys, as it counts for both of its labelers.
 * `groupMeetings(meetings, labelersOf)` gives them by labeler, `groupMeetings(meetings, pairOf)` by pair of labelers.
 */
export function groupMeetings(
  meetings: readonly Meeting[],
  keysOf: (meeting: Meeting) => readonly string[],
): Map<string, Meeting[]> {
  return groupInto(meetings, keysOf);
}

function groupInto<T>(items: readonly T[], keysOf: (item: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    for (const key of keysOf(item)) {
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    }
  }
  return groups;
}

/** The labelers of a meeting, each once. */
export function labelersOf({ first, second }: Meeting): string[] {
  return second === null || second === first ? [first] : [first, second];
}

/** One key for two labelers, whichever comes first: JSON of the two in order. */
export function pairOf({ first, second }: Meeting): string[] {
  return [JSON.stringify([first, second ?? first].toSorted())];
}

/** One key for the groups of the two: "training", "held-out", or JSON of both where they differ. */
export function groupsOf(groupOf: (labeler: string) => string): (meeting: Meeting) => string[] {
  return (meeting) => {
    const groups = [...new Set(labelersOf(meeting).map(groupOf))].toSorted();
    return [groups.length === 1 ? (groups[0] ?? "") : JSON.stringify(groups)];
  };
}

export type AgreementOptions = BootstrapOptions & {
  /** Default `leaveOut`. */
  tieRule?: TieRule;
  /**
   * What the interval resamples. `labelers` (default) says how far other labelers like these would agree. `tasks` is for
   * figures about fixed people: one labeler with oneself or with gold, one pair of labelers.
   */
  unit?: "labelers" | "tasks";
  /** The labeler whom the figure is about, who is there in every resample: only the others are drawn. */
  about?: string;
};

export type Agreement = {
  tieRule: TieRule;
  /** Halves occur under the rule `half`. */
  agreed: number;
  /** Pairs that count. */
  pairs: number;
  /** Pairs that the tie rule leaves out. */
  leftOut: number;
  /** agreed / pairs; null where no pair counts. */
  share: number | null;
  /** null where there are too few units to tell (`fewestUnits`). */
  interval: Interval | null;
  unit: "labelers" | "tasks";
  units: number;
  /** Mean over the meetings where it is defined. */
  tauB: number | null;
  meetings: number;
};

/**
 * Resampling labelers draws people with replacement; a meeting counts as many times as its two were drawn, multiplied
 * (Snijders & Borgatti 1999, "Non-parametric standard errors and tests for network statistics", with a person's meeting
 * with a copy of oneself left out instead of filled in).
 */
export function agreementOf(meetings: readonly Meeting[], options: AgreementOptions): Agreement {
  const { tieRule = "leaveOut", unit = "labelers", about } = options;
  const total = sumOf(meetings.map(({ counts }) => judge(counts, tieRule)));
  const drawn = unit === "tasks" ? byTask(meetings) : byLabelers(meetings, about);
  const cells = drawn.cells.map(({ at, meetings: own }) => ({
    at,
    ...sumOf(own.map(({ counts }) => judge(counts, tieRule))),
  }));
  const taus = meetings.flatMap(({ tauB }) => (tauB === null ? [] : [tauB]));
  return {
    tieRule,
    ...total,
    share: total.pairs === 0 ? null : total.agreed / total.pairs,
    interval: bootstrapInterval(drawn.units, (weights) => weightedShare(cells, weights), options),
    unit,
    units: drawn.units,
    tauB: taus.length === 0 ? null : taus.reduce((sum, tau) => sum + tau, 0) / taus.length,
    meetings: meetings.length,
  };
}

type Judged = { agreed: number; pairs: number; leftOut: number };

function judge(counts: PairCounts, tieRule: TieRule): Judged {
  const { concordant, discordant, tiedInFirst, tiedInSecond, tiedInBoth } = counts;
  const ordered = concordant + discordant;
  const half = tiedInFirst + tiedInSecond;
  const tied = half + tiedInBoth;
  return tieRule === "leaveOut"
    ? { agreed: concordant, pairs: ordered, leftOut: tied }
    : { agreed: concordant + tiedInBoth + half / 2, pairs: ordered + tied, leftOut: 0 };
}

function sumOf(parts: readonly Judged[]): Judged {
  const sum = { agreed: 0, pairs: 0, leftOut: 0 };
  for (const { agreed, pairs, leftOut } of parts) {
    sum.agreed += agreed;
    sum.pairs += pairs;
    sum.leftOut += leftOut;
  }
  return sum;
}

/** Meetings that are drawn together: `at` are their units, whose weights are multiplied. */
type Cell = { at: number[]; meetings: Meeting[] };

function byTask(meetings: readonly Meeting[]): { units: number; cells: Cell[] } {
  const groups = [...groupMeetings(meetings, ({ task }) => [task]).values()];
  return { units: groups.length, cells: groups.map((own, unit) => ({ at: [unit], meetings: own })) };
}

function byLabelers(meetings: readonly Meeting[], about?: string): { units: number; cells: Cell[] } {
  const drawn = (meeting: Meeting) => labelersOf(meeting).filter((labeler) => labeler !== about);
  const places = new Map([...new Set(meetings.flatMap(drawn))].map((labeler, place) => [labeler, place]));
  const cells = [...groupMeetings(meetings, pairOf).values()].map((own) => ({
    at: own.slice(0, 1).flatMap((meeting) => drawn(meeting).map((labeler) => places.get(labeler) ?? 0)),
    meetings: own,
  }));
  return { units: places.size, cells };
}

function weightedShare(
  cells: readonly (Judged & { at: readonly number[] })[],
  weights: ArrayLike<number>,
): number | null {
  let [agreed, pairs] = [0, 0];
  for (const cell of cells) {
    let weight = 1;
    for (const unit of cell.at) weight *= weights[unit] ?? 0;
    agreed += weight * cell.agreed;
    pairs += weight * cell.pairs;
  }
  return pairs === 0 ? null : agreed / pairs;
}
