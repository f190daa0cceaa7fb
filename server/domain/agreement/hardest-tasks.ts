/**
 * @file The tasks on which labelers agree least, with what each of them said, to be talked over in a calibration meeting.
 * Who wrote a response is left out: those who look may have to rank its like again.
 */
import { eq, inArray } from "drizzle-orm";
import { batches, prompts, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import type { TieRule } from "@/model/eval/agreement";
import type { Ranking } from "@/model/eval/ranking";
import type { Db } from "../../db/db";
import { computeFigures } from "./compute-figures";
import { type ConsensusPlace, consensusOf } from "./consensus";
import {
  mostRankings,
  type RankingFilter,
  type ReadRanking,
  readAdjudications,
  readGold,
  readRankings,
} from "./read-rankings";

export type HardTask = {
  taskId: string;
  batchName: string;
  prompt: { messages: { role: "system" | "user" | "assistant"; content: string }[]; isSensitive: boolean };
  /** As the task has them. */
  responses: { id: string; text: string }[];
  /** Of the pairs that count, over every two labelers. */
  share: number;
  pairs: number;
  leftOut: number;
  /** Who placed what where: rank by response id, 1 is best, equal is a tie. */
  placements: { labeler: string; isHeldOut: boolean; ranks: Record<string, number> }[];
  consensus: ConsensusPlace[];
  gold: Record<string, number> | null;
  adjudication: { labeler: string; ranks: Record<string, number> } | null;
};

/** The least agreement first; where it is equal, the task with more pairs. */
export async function listHardestTasks(
  db: Db,
  { tieRule, filter = {}, count = 10 }: { tieRule: TieRule; filter?: RankingFilter; count?: number },
): Promise<HardTask[]> {
  const { first } = await readRankings(db, filter, mostRankings);
  const hardest = await computeFigures("hardest", { first, tieRule, count });
  const taskIds = hardest.map(({ taskId }) => taskId);
  const [shown, gold, adjudications] = await Promise.all([
    readShown(db, taskIds),
    readGold(db, taskIds),
    readAdjudications(db, taskIds),
  ]);
  return hardest.flatMap(({ taskId, ...agreement }) => {
    const task = shown.get(taskId);
    if (!task) return [];
    const placed = oneEach(first.filter((each) => each.task === taskId));
    const known = gold.get(taskId);
    const expert = adjudications.get(taskId);
    return {
      taskId,
      ...task,
      ...agreement,
      placements: placed.map(({ labeler, isHeldOut, ranking }) => ({
        labeler,
        isHeldOut,
        ranks: recordOf(ranking),
      })),
      consensus: consensusOf(placed.map(({ ranking }) => ranking)),
      gold: known ? recordOf(known) : null,
      adjudication: expert ? { labeler: expert.labeler, ranks: recordOf(expert.ranking) } : null,
    };
  });
}

const recordOf = (ranking: Ranking): Record<string, number> => Object.fromEntries(ranking);

/** The earliest of each labeler, in the order of their names. */
function oneEach(rankings: readonly ReadRanking[]): ReadRanking[] {
  const latestFirst = rankings.toSorted((a, b) => b.at - a.at);
  const earliest = new Map(latestFirst.map((each) => [each.labeler, each]));
  return [...earliest.values()].toSorted((a, b) => a.labeler.localeCompare(b.labeler));
}

type Shown = Pick<HardTask, "batchName" | "prompt" | "responses">;

async function readShown(db: Db, taskIds: string[]): Promise<Map<string, Shown>> {
  const tasks = await db
    .select({
      taskId: rankingTasks.id,
      batchName: batches.name,
      messages: prompts.messages,
      isSensitive: prompts.isSensitive,
    })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(inArray(rankingTasks.id, taskIds));
  const texts = await db
    .select({ taskId: taskResponses.taskId, id: responses.id, text: responses.text })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(inArray(taskResponses.taskId, taskIds))
    .orderBy(taskResponses.taskId, taskResponses.position);
  return new Map(
    tasks.map(({ taskId, batchName, messages, isSensitive }) => [
      taskId,
      {
        batchName,
        prompt: { messages, isSensitive },
        responses: texts.filter((each) => each.taskId === taskId).map(({ id, text }) => ({ id, text })),
      },
    ]),
  );
}
