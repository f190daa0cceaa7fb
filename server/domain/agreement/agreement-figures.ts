/**
 * @file The figures of the agreement report and of its hardest tasks, from rankings that are read already: sums and resampling
 * alone, so that they can be made on a thread of their own.
 */
import {
  agreementOf,
  groupMeetings,
  labelersOf,
  type Meeting,
  meetingsBetween,
  meetingsWith,
  meetingsWithOneself,
  pairOf,
  type TieRule,
} from "@/model/eval/agreement";
import { preferenceAlpha } from "@/model/eval/krippendorff";
import type { Ranking } from "@/model/eval/ranking";
import { type Figure, figureOf } from "./figure";
import type { ReadRanking } from "./read-rankings";

export type LabelerAgreement = {
  labeler: string;
  isHeldOut: boolean;
  withOthers: Figure | null;
  withGold: Figure | null;
  withAdjudication: Figure | null;
  withOneself: Figure | null;
};

export type AgreementFigures = {
  read: { rankings: number; tasks: number; labelers: number };
  overall: Record<TieRule, Figure | null>;
  /** Krippendorff's alpha over preferences, ordinal: ties are values of their own here, whatever the tie rule. */
  alpha: number | null;
  withGold: Figure | null;
  withAdjudication: Figure | null;
  withOneself: Figure | null;
  byGroup: { training: Figure | null; heldOut: Figure | null; between: Figure | null };
  /** Most agreeing first; of very many those with the most pairs. */
  byLabeler: LabelerAgreement[];
  /** Those with the most pairs first. */
  byPair: { labelers: [string, string]; figure: Figure }[];
  /** Labelers and pairs of labelers that the lists leave out. */
  leftOut: { labelers: number; pairs: number };
  /** A week is named by its Monday (UTC), oldest first: of the two rankings the later one dates their agreement. */
  byWeek: { week: string; figure: Figure }[];
};

const listed = { labelers: 60, pairs: 60, weeks: 52 };

export type ReportInput = {
  tieRule: TieRule;
  first: readonly ReadRanking[];
  repeated: readonly ReadRanking[];
  /** By task. */
  gold: ReadonlyMap<string, Ranking>;
  adjudications: ReadonlyMap<string, ReadRanking>;
};

export function describeAgreement(input: ReportInput): AgreementFigures {
  const { tieRule, first, repeated } = input;
  const meetings = meetAll(input);
  const figure = (some: readonly Meeting[]) => figureOf(some, { tieRule });
  const byLabeler = describeLabelers(meetings, first, tieRule);
  const byPair = describePairs(meetings.between, tieRule);
  return {
    read: countRead([...first, ...repeated]),
    overall: {
      leaveOut: figureOf(meetings.between, { tieRule: "leaveOut" }),
      half: figureOf(meetings.between, { tieRule: "half" }),
    },
    alpha: preferenceAlpha(earliestByTask(first)),
    withGold: figure(meetings.withGold),
    withAdjudication: figure(meetings.withAdjudication),
    withOneself: figure(meetings.withOneself),
    byGroup: describeGroups(meetings.between, first, tieRule),
    byLabeler: byLabeler.listed,
    byPair: byPair.listed,
    leftOut: { labelers: byLabeler.leftOut, pairs: byPair.leftOut },
    byWeek: describeWeeks(meetings.between, tieRule),
  };
}

type Meetings = Record<"between" | "withGold" | "withAdjudication" | "withOneself", Meeting[]>;

function meetAll({ first, repeated, gold, adjudications }: ReportInput): Meetings {
  // An expert who is a labeler as well does not agree or disagree with their own ranking.
  const byOthers = first.filter(({ task, labeler }) => adjudications.get(task)?.labeler !== labeler);
  const expertRankings = new Map([...adjudications].map(([task, { ranking }]) => [task, ranking]));
  return {
    between: meetingsBetween(first),
    withGold: meetingsWith(gold, first),
    withAdjudication: meetingsWith(expertRankings, byOthers),
    withOneself: meetingsWithOneself(repeated),
  };
}

function countRead(all: readonly ReadRanking[]): AgreementFigures["read"] {
  return {
    // A repeat's original is among both.
    rankings: new Set(all.map(({ task, labeler, at }) => JSON.stringify([task, labeler, at]))).size,
    tasks: new Set(all.map(({ task }) => task)).size,
    labelers: new Set(all.map(({ labeler }) => labeler)).size,
  };
}

function earliestByTask(first: readonly ReadRanking[]): ReadRanking["ranking"][][] {
  const tasks = new Map<string, Map<string, ReadRanking["ranking"]>>();
  for (const { task, labeler, ranking } of first.toSorted((a, b) => a.at - b.at)) {
    const ofTask = tasks.get(task) ?? new Map<string, ReadRanking["ranking"]>();
    if (!ofTask.has(labeler)) ofTask.set(labeler, ranking);
    tasks.set(task, ofTask);
  }
  return [...tasks.values()].map((ofTask) => [...ofTask.values()]);
}

/** By the group in which each of the two rankings was made. */
function describeGroups(
  between: readonly Meeting[],
  first: readonly ReadRanking[],
  tieRule: TieRule,
): AgreementFigures["byGroup"] {
  const keyOf = (task: string, labeler: string) => JSON.stringify([task, labeler]);
  const heldOut = new Set(
    first.flatMap(({ task, labeler, isHeldOut }) => (isHeldOut ? [keyOf(task, labeler)] : [])),
  );
  const groups = groupMeetings(between, (meeting) => {
    const sides = labelersOf(meeting).map((labeler) => heldOut.has(keyOf(meeting.task, labeler)));
    return [sides.every(Boolean) ? "heldOut" : sides.some(Boolean) ? "between" : "training"];
  });
  const figure = (group: string) => figureOf(groups.get(group) ?? [], { tieRule });
  return { training: figure("training"), heldOut: figure("heldOut"), between: figure("between") };
}

function describeLabelers(
  meetings: Meetings,
  first: readonly ReadRanking[],
  tieRule: TieRule,
): { listed: LabelerAgreement[]; leftOut: number } {
  const of = {
    others: groupMeetings(meetings.between, labelersOf),
    gold: groupMeetings(meetings.withGold, labelersOf),
    expert: groupMeetings(meetings.withAdjudication, labelersOf),
    oneself: groupMeetings(meetings.withOneself, labelersOf),
  };
  const heldOut = new Set(first.flatMap(({ labeler, isHeldOut }) => (isHeldOut ? [labeler] : [])));
  const measured = new Set(Object.values(of).flatMap((groups) => [...groups.keys()]));
  const weight = (labeler: string) => countPairs(of.others.get(labeler) ?? []);
  const busiest = [...measured].toSorted((a, b) => weight(b) - weight(a) || a.localeCompare(b));
  const described: LabelerAgreement[] = [];
  for (const labeler of busiest.slice(0, listed.labelers)) {
    const fixed = (some: Meeting[] = []) => figureOf(some, { tieRule, about: labeler, unit: "tasks" });
    described.push({
      labeler,
      isHeldOut: heldOut.has(labeler),
      withOthers: figureOf(of.others.get(labeler) ?? [], { tieRule, about: labeler }),
      withGold: fixed(of.gold.get(labeler)),
      withAdjudication: fixed(of.expert.get(labeler)),
      withOneself: fixed(of.oneself.get(labeler)),
    });
  }
  described.sort((a, b) => (b.withOthers?.share ?? -1) - (a.withOthers?.share ?? -1));
  return { listed: described, leftOut: measured.size - described.length };
}

function describePairs(
  between: readonly Meeting[],
  tieRule: TieRule,
): { listed: AgreementFigures["byPair"]; leftOut: number } {
  const groups = [...groupMeetings(between, pairOf)].map(([key, own]) => ({
    key,
    own,
    weight: countPairs(own),
  }));
  groups.sort((a, b) => b.weight - a.weight || a.key.localeCompare(b.key));
  const described: AgreementFigures["byPair"] = [];
  for (const { own } of groups.slice(0, listed.pairs)) {
    const figure = figureOf(own, { tieRule, unit: "tasks" });
    const [a, b] = own.slice(0, 1).flatMap(labelersOf).toSorted();
    if (figure && a !== undefined && b !== undefined) described.push({ labelers: [a, b], figure });
  }
  return { listed: described, leftOut: Math.max(0, groups.length - listed.pairs) };
}

function describeWeeks(between: readonly Meeting[], tieRule: TieRule): AgreementFigures["byWeek"] {
  const weeks = [...groupMeetings(between, ({ at }) => [mondayOf(at)])].toSorted(([a], [b]) =>
    a.localeCompare(b),
  );
  const described: AgreementFigures["byWeek"] = [];
  for (const [week, own] of weeks.slice(-listed.weeks)) {
    const figure = figureOf(own, { tieRule });
    if (figure) described.push({ week, figure });
  }
  return described;
}

const dayMs = 24 * 60 * 60 * 1000;

/** @returns the Monday (UTC) of the ISO week, as 2026-11-23 */
export function mondayOf(at: number): string {
  const daysSinceMonday = (new Date(at).getUTCDay() + 6) % 7;
  return new Date(at - daysSinceMonday * dayMs).toISOString().slice(0, 10);
}

function countPairs(meetings: readonly Meeting[]): number {
  return meetings.reduce(
    (sum, { counts }) => sum + Object.values(counts).reduce((pairs, count) => pairs + count, 0),
    0,
  );
}

/** A task of fewer pairs can have any share by chance. */
const fewestPairs = 3;

export type Disagreement = { taskId: string; share: number; pairs: number; leftOut: number };

/** The least agreement first; where it is equal, the task with more pairs. */
export function rankByDisagreement({
  first,
  tieRule,
  count,
}: {
  first: readonly ReadRanking[];
  tieRule: TieRule;
  count: number;
}): Disagreement[] {
  return [...groupMeetings(meetingsBetween(first), ({ task }) => [task])]
    .flatMap(([taskId, own]) => {
      // One task is one unit, of which there is no interval.
      const { share, pairs, leftOut } = agreementOf(own, { tieRule, unit: "tasks", seed: 1 });
      return share === null || pairs < fewestPairs ? [] : [{ taskId, share, pairs, leftOut }];
    })
    .toSorted((a, b) => a.share - b.share || b.pairs - a.pairs || a.taskId.localeCompare(b.taskId))
    .slice(0, count);
}
