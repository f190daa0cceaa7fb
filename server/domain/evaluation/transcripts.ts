/** @file The texts behind a win rate: each prompt with both answers and what was said of them, worst losses first. */
import type { Db } from "../../db/db";
import { type ComparedTask, readJudgments, type TaskJudgment } from "./read-judgments";
import { isInSlice, type Slice } from "./slices";
import { readOriented, type WinRateQuestion } from "./win-rates";

export const verdicts = ["win", "loss", "tie", "bothBad"] as const;
export type Verdict = (typeof verdicts)[number];

export type Transcript = Pick<
  ComparedTask,
  "taskId" | "batchId" | "promptId" | "messages" | "isSensitive" | "reasons"
> & {
  /** Turns of the user before `messages`: they were no part of what was judged, and stay with who wrote them. */
  earlierTurns: number;
  candidate: string;
  opponent: string;
  isSame: boolean;
  /** Mean credit of its judgments: 0 is a loss by all. */
  credit: number;
  /** Of a reward model: score of the candidate's answer less that of its opponent's. */
  margin: number | null;
  judgments: { judge: string; isHeldOut: boolean; verdict: Verdict }[];
};

export type TranscriptsQuestion = WinRateQuestion & {
  slice: Slice | null;
  /** Labelers of one kind only. */
  group: "training" | "heldOut" | null;
  cursor: number;
  limit: number;
};

/** The worst of so many: more texts at once would fill the memory of the web process. */
const mostRead = 5_000;

/** Of the newest {@link mostRead} tasks: losses by all judges first, those by more judges or a wider margin before others. @param cursor how many to leave out */
export async function listTranscripts(
  db: Db,
  { slice, group, cursor, limit, judge, without, ...pair }: TranscriptsQuestion,
): Promise<{ transcripts: Transcript[]; total: number; nextCursor: number | null }> {
  const tasks = (await readOriented(db, pair, { judge, newest: mostRead })).filter(
    (task) => task.isShown && (slice === null || isInSlice(task, slice)),
  );
  const judged = (await readJudgments(db, tasks, { judge, ...(without && { without }) })).filter(
    ({ isHeldOut }) => group === null || isHeldOut === (group === "heldOut"),
  );
  const byTask = new Map<string, TaskJudgment[]>();
  for (const judgment of judged) {
    byTask.set(judgment.taskId, [...(byTask.get(judgment.taskId) ?? []), judgment]);
  }
  const all = tasks
    .flatMap((task) => {
      const own = byTask.get(task.taskId);
      return own ? [toTranscript(task, own)] : [];
    })
    .toSorted((a, b) => a.credit - b.credit || weightOf(b) - weightOf(a));
  const transcripts = all.slice(cursor, cursor + limit);
  return {
    transcripts,
    total: all.length,
    nextCursor: cursor + limit < all.length ? cursor + limit : null,
  };
}

function toTranscript(task: ComparedTask, judged: readonly TaskJudgment[]): Transcript {
  const { taskId, batchId, promptId, messages, before, isSensitive, reasons, isSame, answers } = task;
  const [candidate, opponent] = answers;
  return {
    taskId,
    batchId,
    promptId,
    messages,
    earlierTurns: before.turns,
    isSensitive,
    reasons,
    isSame,
    candidate: candidate.text,
    opponent: opponent.text,
    credit: judged.reduce((sum, { credit }) => sum + credit, 0) / judged.length,
    margin: judged[0]?.margin ?? null,
    judgments: judged.map(({ judgeName, isHeldOut, credit, isBothBad }) => ({
      judge: judgeName,
      isHeldOut,
      verdict: isBothBad ? "bothBad" : credit === 1 ? "win" : credit === 0 ? "loss" : "tie",
    })),
  };
}

/** How sure a verdict is: by its margin where a model gave one, else by how many gave it. */
const weightOf = ({ margin, judgments }: Transcript): number =>
  margin === null ? judgments.length : Math.abs(margin);
