/**
 * @file How long a labeler waits for the next task with 100,000 tasks in the database, on both homes: `labeling.next` as the
 * page calls it, by labelers who have ranked thousands before, among them one who has met every task at the front of the queue.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { sql } from "drizzle-orm";
import { startThrowawayPostgres } from "@/bin/setup/throwaway-postgres.mjs";
import type { Db } from "@/server/db/db";
import { migrateDatabase } from "@/server/db/migrate-database";
import { openUnlocked } from "@/server/db/open-database";
import { makeLabeler } from "@/tests/helpers/labeling";
import { callerFor } from "@/tests/helpers/test-context";
import { median, percentile } from "./harness/statistics";

const tasksPerBatch = 5_000;
/** Rankings each labeler has behind them, from the front of the first batch: there they have met every open task. */
const doneBefore = 2_000;
const labelerCount = 5;

type Home = "pglite" | "postgres";
export type LabelQueueBench = {
  /** Tasks asked for, per home. */
  n: number;
  tasks: number;
  p95Ms: Record<Home, number>;
  medianMs: Record<Home, number>;
  submitP95Ms: Record<Home, number>;
};

export default async function run({ quick }: { quick: boolean }): Promise<LabelQueueBench> {
  const tasks = quick ? 10_000 : 100_000;
  const rounds = quick ? 10 : 60;
  const measured = { pglite: await inPglite(tasks, rounds), postgres: await inPostgres(tasks, rounds) };
  const each = (pick: (times: Times) => number) => ({
    pglite: pick(measured.pglite),
    postgres: pick(measured.postgres),
  });
  return {
    n: measured.pglite.next.length,
    tasks,
    p95Ms: each(({ next }) => percentile(next, 0.95)),
    medianMs: each(({ next }) => median(next)),
    submitP95Ms: each(({ submit }) => percentile(submit, 0.95)),
  };
}

async function inPglite(tasks: number, rounds: number): Promise<Times> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attune-label-queue-"));
  try {
    return await measureOn({ folder }, tasks, rounds);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function inPostgres(tasks: number, rounds: number): Promise<Times> {
  const { url, stop } = await startThrowawayPostgres();
  try {
    return await measureOn({ databaseUrl: url }, tasks, rounds);
  } finally {
    await stop();
  }
}

type Times = { next: number[]; submit: number[] };

async function measureOn(
  place: Parameters<typeof openUnlocked>[0],
  tasks: number,
  rounds: number,
): Promise<Times> {
  const { db, end } = await openUnlocked(place);
  try {
    await migrateDatabase(db);
    const people = await Promise.all(Array.from({ length: labelerCount }, () => makeLabeler(db)));
    await fill(db, tasks);
    for (const { id } of people) await rankBefore(db, id);
    await db.execute(sql`analyze`);
    const times: Times = { next: [], submit: [] };
    for (let round = 0; round < rounds; round++) {
      for (const person of people) await rankOne(callerFor(db, person).labeling, times);
    }
    return times;
  } finally {
    await end();
  }
}

/** Batches of one priority, each response rated by nobody yet; two labelers a task more than have seen it. */
async function fill(db: Db, tasks: number): Promise<void> {
  await db.execute(sql`insert into guidelines (version, text) values (1, 'Be fair.')`);
  await db.execute(sql`
    insert into batches (name, task, status, k, overlap, guidelines_version, has_ratings)
    select 'Batch ' || i, 'ranking', 'open', 4, ${labelerCount + 2}, 1, false
    from generate_series(1, ${tasks / tasksPerBatch}::int) i`);
  await db.execute(sql`
    insert into prompts (source, messages, folded_text, split)
    select 'upload', jsonb_build_array(jsonb_build_object('role', 'user', 'content', repeat('Why is that so? ', 20) || i)),
      md5(i::text) || ' why is that so?', 'train'
    from generate_series(1, ${tasks}::int) i`);
  await db.execute(sql`
    insert into ranking_tasks (batch_id, prompt_id, status, open_places, position)
    select b.id, p.id, 'open', ${labelerCount + 2}, p.number
    from (select id, row_number() over () - 1 as number from prompts) p
    join (select id, row_number() over (order by created_at, id) - 1 as number from batches) b
      on b.number = p.number / ${tasksPerBatch}`);
  await db.execute(sql`
    insert into responses (prompt_id, source, author, text)
    select id, 'imported', 'a bench', repeat('Because of this and that. ', 20) || i
    from prompts, generate_series(1, 4) i`);
  await db.execute(sql`
    insert into task_responses (task_id, response_id, position)
    select t.id, r.id, row_number() over (partition by t.id) - 1
    from ranking_tasks t join responses r on r.prompt_id = t.prompt_id`);
}

async function rankBefore(db: Db, labelerId: string): Promise<void> {
  await db.execute(sql`
    with first as (
      select t.id from ranking_tasks t join batches b on b.id = t.batch_id
      order by b.created_at, b.id, t.position limit ${doneBefore}
    ), taken as (
      update ranking_tasks set open_places = open_places - 1 where id in (select id from first) returning id
    )
    insert into rankings (task_id, labeler_id, pseudonym, mode, response_order, guidelines_version, active_ms)
    select id, ${labelerId}, 'labeler', 'board', '{}', 1, 60000 from taken`);
}

type Caller = ReturnType<typeof callerFor>["labeling"];

async function rankOne(caller: Caller, times: Times): Promise<void> {
  const askedAt = performance.now();
  const given = await caller.next({});
  const gotAt = performance.now();
  if (!("task" in given)) throw new Error(`No task was given: ${given.noTask.text}`);
  const { claimId, responses } = given.task;
  await caller.submit({ claimId, mode: "board", tiers: responses.map(({ id }) => [id]), activeMs: 60_000 });
  times.next.push(gotAt - askedAt);
  times.submit.push(performance.now() - gotAt);
}
