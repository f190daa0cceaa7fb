/** @file How often one policy is preferred to another by one judge: over all, by group of labelers, by slice, at equal lengths. */
import { setImmediate as letOthersRun } from "node:timers/promises";
import { type AnytimeWinRate, anytimeWinRate, fewestPrompts } from "@/model/eval/anytime-win-rate";
import { type LengthControlled, lengthControlledWinRate } from "@/model/eval/length-controlled";
import type { Db } from "../../db/db";
import type { JudgeKey } from "./judge-key";
import { readChosenTasks } from "./people-judgments";
import { ofPair, type PolicyPair } from "./policy-pair";
import { type ComparedTask, readComparedTasks, readJudgments, type TaskJudgment } from "./read-judgments";
import { type Slice, slicesOf } from "./slices";

export type WinRateFigure = AnytimeWinRate & {
  wins: number;
  losses: number;
  /** Of two that would do; equal answers included. */
  ties: number;
  bothBad: number;
};

export type WinRate = {
  judge: JudgeKey;
  /** Null: nobody has judged anything yet. */
  overall: WinRateFigure | null;
  /** Of labelers: those whose other work is learned from, and those whose never is. */
  training: WinRateFigure | null;
  heldOut: WinRateFigure | null;
  /** Null: not judged, or not asked for. */
  lengthControlled: LengthControlled | null;
  /** Those with a judgment that do not hold all of them, the largest first within each kind. */
  slices: (Slice & { figure: WinRateFigure })[];
  /**
   * The one with the lowest estimate among those of at least `fewestInSlice` prompts, where there are two such. Its interval
   * allows for having looked at all of them (Bonferroni).
   */
  worstSlice: (Slice & { figure: WinRateFigure; of: number }) | null;
  /** Prompts that both policies have answered, and those of them with equal answers. */
  prompts: number;
  equal: number;
};

export type WinRateQuestion = PolicyPair & {
  judge: JudgeKey;
  /** People whose judgments do not count, as those who ask for a promotion or approve it. */
  without?: readonly string[];
  /** Leaves the length-controlled figure out, which takes longest: nobody looks at it where gates are judged. */
  isForGates?: boolean;
};

const alpha = 0.05;
/** Below it a slice's interval is everything there is. */
export const fewestInSlice = fewestPrompts;
/** Enough for the ends of one interval on a page; more judgments would take seconds of the web process. */
const lengthOptions = { seed: 1, resamples: 400 };
const mostMeasured = 2_000;

/** Of all evaluations of these two, whichever was called the candidate then. */
export async function readWinRate(
  db: Db,
  { judge, without, isForGates, ...pair }: WinRateQuestion,
): Promise<WinRate> {
  const tasks = await readOriented(db, pair, { judge });
  const judged = await readJudgments(db, tasks, { judge, ...(without && { without }) });
  await letOthersRun();
  const figures = sliceFigures(tasks, judged, alpha);
  return {
    judge,
    overall: figureOf(tasks, judged),
    training:
      judge.kind === "labelers"
        ? figureOf(
            tasks,
            judged.filter(({ isHeldOut }) => !isHeldOut),
          )
        : null,
    heldOut:
      judge.kind === "labelers"
        ? figureOf(
            tasks,
            judged.filter(({ isHeldOut }) => isHeldOut),
          )
        : null,
    lengthControlled: isForGates ? null : lengthControlled(tasks, judged),
    slices: figures,
    worstSlice: findWorst(tasks, judged, figures),
    prompts: new Set(tasks.map(({ promptId }) => promptId)).size,
    equal: tasks.filter(({ isSame }) => isSame).length,
  };
}

/** The tasks of these two (the newest, where a number is given), the candidate's answer first also where it was the opponent when labelers were asked. */
export async function readOriented(
  db: Db,
  pair: PolicyPair,
  { judge, newest }: { judge: JudgeKey; newest?: number },
): Promise<ComparedTask[]> {
  const tasks =
    judge.kind === "people"
      ? await readChosenTasks(db, pair)
      : await readComparedTasks(db, ofPair(pair), newest);
  return tasks.map((task) => {
    const [a, b] = task.answers;
    return a.policyId === pair.candidateId ? task : { ...task, answers: [b, a] as const };
  });
}

function figureOf(
  tasks: readonly ComparedTask[],
  judged: readonly TaskJudgment[],
  level = alpha,
): WinRateFigure | null {
  const promptOf = new Map(tasks.map(({ taskId, promptId }) => [taskId, promptId]));
  const figure = anytimeWinRate(
    judged.map(({ taskId, judge, credit }) => ({ prompt: promptOf.get(taskId) ?? taskId, judge, credit })),
    { alpha: level },
  );
  if (!figure) return null;
  const count = (fits: (judgment: TaskJudgment) => boolean) => judged.filter(fits).length;
  const bothBad = count(({ isBothBad }) => isBothBad);
  return {
    ...figure,
    wins: count(({ credit }) => credit === 1),
    losses: count(({ credit }) => credit === 0),
    ties: count(({ credit }) => credit === 0.5) - bothBad,
    bothBad,
  };
}

function lengthControlled(tasks: readonly ComparedTask[], judged: readonly TaskJudgment[]) {
  const taskOf = new Map(tasks.map((task) => [task.taskId, task]));
  return lengthControlledWinRate(
    judged.slice(-mostMeasured).flatMap(({ taskId, credit }) => {
      const task = taskOf.get(taskId);
      if (!task) return [];
      const [candidate, opponent] = task.answers;
      return [
        {
          prompt: task.promptId,
          credit,
          candidateLength: candidate.text.length,
          opponentLength: opponent.text.length,
        },
      ];
    }),
    lengthOptions,
  );
}

type JudgedSlice = Slice & { judged: TaskJudgment[] };

function groupBySlice(tasks: readonly ComparedTask[], judged: readonly TaskJudgment[]): JudgedSlice[] {
  const slicesOfTask = new Map(tasks.map((task) => [task.taskId, slicesOf(task)]));
  const groups = new Map<string, JudgedSlice>();
  for (const judgment of judged) {
    for (const slice of slicesOfTask.get(judgment.taskId) ?? []) {
      const key = `${slice.by} ${slice.value}`;
      const group = groups.get(key) ?? { ...slice, judged: [] };
      group.judged.push(judgment);
      groups.set(key, group);
    }
  }
  return [...groups.values()];
}

function sliceFigures(tasks: readonly ComparedTask[], judged: readonly TaskJudgment[], level: number) {
  return groupBySlice(tasks, judged)
    .filter((slice) => slice.judged.length < judged.length)
    .flatMap(({ judged: own, ...slice }) => {
      const figure = figureOf(tasks, own, level);
      return figure ? [{ ...slice, figure }] : [];
    })
    .toSorted((a, b) => a.by.localeCompare(b.by) || b.figure.judgments - a.figure.judgments);
}

function findWorst(
  tasks: readonly ComparedTask[],
  judged: readonly TaskJudgment[],
  figures: WinRate["slices"],
): WinRate["worstSlice"] {
  const large = figures.filter(({ figure }) => figure.prompts >= fewestInSlice);
  if (large.length < 2) return null;
  const { by, value } = large.reduce((worst, each) =>
    each.figure.estimate < worst.figure.estimate ? each : worst,
  );
  const own = groupBySlice(tasks, judged).find((slice) => slice.by === by && slice.value === value);
  const figure = figureOf(tasks, own?.judged ?? [], alpha / large.length);
  return figure && { by, value, figure, of: large.length };
}
