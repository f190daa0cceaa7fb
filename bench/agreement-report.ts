/**
 * @file What the agreement report of 10,000 rankings costs: its own time, and how long other calls of the same process wait
 * meanwhile. A call is one small query, as most of a page's are; `idleP95Ms` is the same without a report beside it.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { Db } from "@/server/db/db";
import { migrateDatabase } from "@/server/db/migrate-database";
import { openUnlocked } from "@/server/db/open-database";
import { reportAgreement } from "@/server/domain/agreement/agreement-report";
import { listHardestTasks } from "@/server/domain/agreement/hardest-tasks";
import { percentile } from "./harness/statistics";

const [k, overlap, labelerCount] = [9, 4, 40];
const callEveryMs = 50;

export type AgreementReportBench = {
  /** Calls made beside the report. */
  n: number;
  rankings: number;
  reportSeconds: number;
  hardestSeconds: number;
  callP95Ms: number;
  longestCallMs: number;
  hardestCallP95Ms: number;
  hardestLongestCallMs: number;
  idleP95Ms: number;
};

export default async function run({ quick }: { quick: boolean }): Promise<AgreementReportBench> {
  const rankings = quick ? 2_000 : 10_000;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "attune-agreement-"));
  const { db, end } = await openUnlocked({ folder });
  try {
    await migrateDatabase(db);
    await fill(db, rankings);
    const idle = await beside(db, () => sleep(2_000));
    // The first one compiles what it runs, and reads from the disk what was just written.
    await reportAgreement(db, { tieRule: "leaveOut" });
    const report = await beside(db, async () => {
      const { read } = await reportAgreement(db, { tieRule: "leaveOut" });
      if (read.rankings !== rankings) throw new Error(`Read ${read.rankings} of ${rankings} rankings.`);
    });
    const hardest = await beside(db, () => listHardestTasks(db, { tieRule: "leaveOut" }));
    return {
      n: report.calls.length,
      rankings,
      reportSeconds: report.seconds,
      hardestSeconds: hardest.seconds,
      callP95Ms: percentile(report.calls, 0.95),
      longestCallMs: percentile(report.calls, 1),
      hardestCallP95Ms: percentile(hardest.calls, 0.95),
      hardestLongestCallMs: percentile(hardest.calls, 1),
      idleP95Ms: percentile(idle.calls, 0.95),
    };
  } finally {
    await end();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Calls come at their own pace: one that waits long does not keep the next from being made, and from waiting as well. */
async function beside(db: Db, work: () => Promise<unknown>): Promise<{ seconds: number; calls: number[] }> {
  const calls: Promise<number>[] = [];
  const startedAt = performance.now();
  let isDone = false;
  const ended = work().finally(() => {
    isDone = true;
  });
  for (let dueAt = startedAt; !isDone; dueAt += callEveryMs) {
    calls.push(callDueAt(db, dueAt));
    await sleep(Math.max(0, dueAt + callEveryMs - performance.now()));
  }
  await ended;
  const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(2));
  return { seconds, calls: await Promise.all(calls) };
}

async function callDueAt(db: Db, dueAt: number): Promise<number> {
  await db.execute(sql`select count(*) from guidelines`);
  return performance.now() - dueAt;
}

/** Every task ranked by four of forty labelers, as they please; in five are ties. */
async function fill(db: Db, rankings: number): Promise<void> {
  await db.execute(sql`insert into guidelines (version, text) values (1, 'Be fair.')`);
  await db.execute(sql`
    insert into users (name, email, role)
    select 'Labeler ' || i, 'l' || i || '@example.org', 'labeler' from generate_series(1, ${labelerCount}::int) i`);
  await db.execute(sql`insert into labelers (user_id, pseudonym) select id, 'p ' || name from users`);
  await db.execute(sql`
    insert into batches (name, task, status, k, overlap, guidelines_version)
    values ('Batch', 'ranking', 'open', ${k}, ${overlap}, 1)`);
  await db.execute(sql`
    insert into prompts (source, messages, folded_text, split)
    select 'upload', '[{"role": "user", "content": "Why?"}]', 'why ' || i, 'train'
    from generate_series(1, ${rankings / overlap}::int) i`);
  await db.execute(sql`
    insert into ranking_tasks (batch_id, prompt_id, status, open_places, position)
    select b.id, p.id, 'done', 0, row_number() over () from prompts p, batches b`);
  await db.execute(sql`
    insert into responses (prompt_id, source, author, text)
    select id, 'imported', 'a bench', 'Because ' || i from prompts, generate_series(1, ${k}::int) i`);
  await db.execute(sql`
    insert into task_responses (task_id, response_id, position)
    select t.id, r.id, row_number() over (partition by t.id) - 1
    from ranking_tasks t join responses r on r.prompt_id = t.prompt_id`);
  await db.execute(sql`select setseed(0.5)`);
  await db.execute(sql`
    insert into rankings (task_id, labeler_id, pseudonym, mode, response_order, guidelines_version, created_at)
    select t.id, l.user_id, l.pseudonym, 'board', '{}', 1, now() - random() * interval '300 days'
    from (select id, position from ranking_tasks) t
    cross join generate_series(0, ${overlap - 1}::int) place
    join (select user_id, pseudonym, row_number() over () - 1 as number from labelers) l
      on l.number = (t.position * 7 + place * (1 + t.position % 9)) % ${labelerCount}`);
  await db.execute(sql`
    insert into ranked_responses (ranking_id, response_id, rank)
    select r.id, tr.response_id, greatest(1, least(${k}, tr.position + (random() * 4 - 2)::int))
    from rankings r join task_responses tr on tr.task_id = r.task_id`);
  await db.execute(sql`analyze`);
}
