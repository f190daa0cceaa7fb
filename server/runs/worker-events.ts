/** @file What a worker reports: each event stored once, in the order of its sequence numbers, none left out. */
import { eq, sql } from "drizzle-orm";
import { runMetrics, runs } from "@/drizzle/schema";
import type { Tx } from "../db/db";
import { storableText } from "../domain/message-text";
import { countKills, holdLease, type WorkerCall } from "./lease";
import type { EventsAnswer, EventsRequest, WorkerEvent } from "./protocol";
import { publishRun } from "./run-changes";
import { storeEpisodes } from "./run-episodes";
import { storeReport, storeTranscripts } from "./run-evaluation";
import { appendTimeline, type NewTimelineRow, reserveNumbers } from "./timeline";
import { WorkerError } from "./worker-error";

type MetricsEvent = Extract<WorkerEvent, { type: "metrics" }>;

/**
 * Events that are known already are absorbed, whatever they say now. One that comes before its predecessor is refused with
 * everything after it, and the number to go on from: a worker keeps what was not acknowledged.
 * @throws {WorkerError} leaseLost, eventGap
 */
export async function takeEvents(
  call: WorkerCall,
  runId: string,
  { fencing, events, totalSteps }: EventsRequest,
): Promise<EventsAnswer> {
  const answer = await call.db.transaction(async (tx) => {
    const run = await holdLease(tx, call, { runId, fencing });
    const fresh = inOrder(events, run.lastSequence);
    const lastSequence = fresh.at(-1)?.sequence ?? run.lastSequence;
    await storeMetrics(
      tx,
      runId,
      fresh.filter((event) => event.type === "metrics"),
    );
    await storeEpisodes(
      tx,
      runId,
      fresh.filter((event) => event.type === "episodes"),
    );
    for (const event of fresh) {
      if (event.type === "transcripts") await storeTranscripts(tx, run, event);
      if (event.type === "evaluation") await storeReport(tx, run, event.report);
    }
    await appendTimeline(tx, runId, fresh.flatMap(toTimeline));
    const step = fresh.findLast((event) => event.type === "metrics")?.step;
    await tx.update(runs).set({ lastSequence, step, totalSteps }).where(eq(runs.id, runId));
    await countKills(tx, { ...run, step: step ?? run.step }, fresh.filter(isKill).length);
    return { nextSequence: lastSequence + 1, stored: fresh.length, absorbed: events.length - fresh.length };
  });
  if (answer.stored > 0) publishRun(runId);
  return answer;
}

const isKill = (event: WorkerEvent) => event.type === "incident" && event.what === "processKilled";

/** Those after `last`, each once. @throws {WorkerError} eventGap */
function inOrder(events: readonly WorkerEvent[], last: number): WorkerEvent[] {
  const bySequence = new Map(events.map((event) => [event.sequence, event]));
  const fresh = [...bySequence.values()]
    .filter(({ sequence }) => sequence > last)
    .sort((a, b) => a.sequence - b.sequence);
  const gap = fresh.findIndex(({ sequence }, i) => sequence !== last + 1 + i);
  if (gap >= 0) {
    const expected = last + 1 + gap;
    throw new WorkerError(
      "eventGap",
      `Event ${fresh[gap]?.sequence} came, but event ${expected} did not. Nothing of this was stored: send again from ${last + 1}.`,
      { expected: last + 1, missing: expected },
    );
  }
  return fresh;
}

/** A step that is computed again after a resume writes over what it said before. */
async function storeMetrics(tx: Tx, runId: string, events: readonly MetricsEvent[]): Promise<void> {
  if (events.length === 0) return;
  const byStep = new Map<number, MetricsEvent["values"]>();
  for (const { step, values } of events) byStep.set(step, { ...byStep.get(step), ...values });
  const first = await reserveNumbers(tx, runId, byStep.size);
  await tx
    .insert(runMetrics)
    .values([...byStep].map(([step, values], i) => ({ runId, step, number: first + i, values })))
    .onConflictDoUpdate({
      target: [runMetrics.runId, runMetrics.step],
      set: {
        values: sql`${runMetrics.values} || excluded.values`,
        number: sql`excluded.number`,
        at: sql`excluded.at`,
      },
    });
}

function toTimeline(event: WorkerEvent): NewTimelineRow[] {
  const { sequence, step } = event;
  const place = { sequence, ...(step !== undefined && { step }) };
  switch (event.type) {
    case "metrics":
    case "episodes":
    case "transcripts":
    case "evaluation":
      return [];
    case "log":
      return [{ ...place, kind: "log", payload: { level: event.level, text: storableText(event.text) } }];
    case "sample": {
      const [prompt, response] = [storableText(event.prompt), storableText(event.response)];
      return [{ ...place, kind: "sample", payload: { prompt, response, source: event.source } }];
    }
    case "incident":
      return [{ ...place, kind: "incident", payload: describeIncident(event) }];
    case "phase":
      return [{ ...place, kind: "phase", payload: { name: event.name, seconds: event.seconds } }];
  }
}

function describeIncident({ what, text, rule }: Extract<WorkerEvent, { type: "incident" }>) {
  return { what, text: storableText(text), ...(rule !== undefined && { rule }) };
}
