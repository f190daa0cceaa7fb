/** @file Bradley-Terry over every policy that one judge has compared with another, against the live policy. */
import { eq, sql } from "drizzle-orm";
import { channels } from "@/drizzle/schema";
import { type PolicyStrength, policyStrengths } from "@/model/eval/policy-strengths";
import type { Db } from "../../db/db";
import { liveChannel } from "../channels";
import type { JudgeKey } from "./judge-key";
import { type ComparedPolicy, readComparedPolicies } from "./list-evaluations";
import { readChosenTasks } from "./people-judgments";
import { readComparedTasks, readJudgments } from "./read-judgments";

export type RankedPolicy = Omit<PolicyStrength, "policy"> & { policy: ComparedPolicy; isReference: boolean };

/** A fit with its bootstrap over more would take the web process too long. */
const mostFitted = 10_000;

/** From the newest {@link mostFitted} tasks, strongest first. The reference is the live policy where it was compared, else the one compared most. */
export async function readStrengths(
  db: Db,
  { judge, without }: { judge: JudgeKey; without?: readonly string[] },
): Promise<RankedPolicy[]> {
  const tasks =
    judge.kind === "people"
      ? await readChosenTasks(db, null)
      : await readComparedTasks(db, sql`true`, mostFitted);
  const judged = await readJudgments(db, tasks, { judge, ...(without && { without }) });
  const taskOf = new Map(tasks.map((task) => [task.taskId, task]));
  const comparisons = judged.flatMap(({ taskId, credit }) => {
    const task = taskOf.get(taskId);
    if (!task) return [];
    const [first, second] = task.answers;
    return [{ prompt: task.promptId, first: first.policyId, second: second.policyId, credit }];
  });
  const reference = await chooseReference(db, comparisons);
  const strengths = policyStrengths(comparisons, { reference, seed: 1 });
  const policies = await readComparedPolicies(
    db,
    strengths.map(({ policy }) => policy),
  );
  return strengths.flatMap(({ policy: id, ...rest }) => {
    const policy = policies.get(id);
    return policy ? [{ ...rest, policy, isReference: id === reference }] : [];
  });
}

async function chooseReference(
  db: Db,
  comparisons: readonly { first: string; second: string }[],
): Promise<string | null> {
  const counts = new Map<string, number>();
  for (const id of comparisons.flatMap(({ first, second }) => [first, second])) {
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const [live] = await db.select().from(channels).where(eq(channels.name, liveChannel));
  if (live && counts.has(live.checkpointId)) return live.checkpointId;
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? null;
}
