/** @file Episodes of PPO: what workers tell, kept for the first step and the newest ones, and read step by step. */
import { and, asc, eq, gt, lte, max, min } from "drizzle-orm";
import { runEpisodes } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { storableText } from "../domain/message-text";
import type { ProtocolEpisode, WorkerEvent } from "./protocol";
import { readRunSummary } from "./read-runs";

/** Of each run, besides the first; about 20 kB each with the defaults. */
export const keptEpisodeSteps = 60;

type EpisodesEvent = Extract<WorkerEvent, { type: "episodes" }>;

/** A step that is computed again after a resume writes over what it said before. */
export async function storeEpisodes(tx: Tx, runId: string, events: readonly EpisodesEvent[]): Promise<void> {
  if (events.length === 0) return;
  for (const { step, episodes } of events) {
    await tx.delete(runEpisodes).where(and(eq(runEpisodes.runId, runId), eq(runEpisodes.step, step)));
    await tx.insert(runEpisodes).values(
      episodes.map(({ episode, source }, place) => ({
        runId,
        step,
        place,
        datasetId: source?.datasetId ?? null,
        position: source?.position ?? null,
        episode: storable(episode),
      })),
    );
  }
  await forgetOld(tx, runId);
}

function storable(episode: ProtocolEpisode): ProtocolEpisode {
  const { prompt, response, tokens } = episode;
  return {
    ...episode,
    prompt: storableText(prompt),
    response: storableText(response),
    tokens: tokens.map(storableText),
  };
}

async function forgetOld(tx: Tx, runId: string): Promise<void> {
  const [kept] = await tx
    .select({ first: min(runEpisodes.step), newest: max(runEpisodes.step) })
    .from(runEpisodes)
    .where(eq(runEpisodes.runId, runId));
  if (kept?.first === null || kept?.newest === null || !kept) return;
  await tx
    .delete(runEpisodes)
    .where(
      and(
        eq(runEpisodes.runId, runId),
        gt(runEpisodes.step, kept.first),
        lte(runEpisodes.step, kept.newest - keptEpisodeSteps),
      ),
    );
}

export type EpisodesAt = {
  /** Of which there are episodes, in order. */
  steps: number[];
  /** Null: there are none yet. */
  step: number | null;
  episodes: (ProtocolEpisode & { place: number })[];
};

/**
 * Those of the last step at or before `step`, else of the first there is; null: of the newest.
 * @throws {AppError} NOT_FOUND
 */
export async function readEpisodes(
  db: Db,
  { runId, step: wanted }: { runId: string; step: number | null },
): Promise<EpisodesAt> {
  await readRunSummary(db, runId);
  const steps = await listSteps(db, runId);
  const step = steps.findLast((each) => wanted === null || each <= wanted) ?? steps[0] ?? null;
  return { steps, step, episodes: step === null ? [] : await readStep(db, runId, step) };
}

async function listSteps(db: Db, runId: string): Promise<number[]> {
  const found = await db
    .selectDistinct({ step: runEpisodes.step })
    .from(runEpisodes)
    .where(eq(runEpisodes.runId, runId))
    .orderBy(asc(runEpisodes.step));
  return found.map(({ step }) => step);
}

async function readStep(db: Db, runId: string, step: number): Promise<EpisodesAt["episodes"]> {
  const rows = await db
    .select({ place: runEpisodes.place, episode: runEpisodes.episode })
    .from(runEpisodes)
    .where(and(eq(runEpisodes.runId, runId), eq(runEpisodes.step, step)))
    .orderBy(asc(runEpisodes.place));
  // Written by `storeEpisodes` alone, from what the protocol's schema has read.
  return rows.map(({ place, episode }) => ({ place, ...(episode as ProtocolEpisode) }));
}

/** All that are kept, step by step, for exports: a token's numbers by the names that the metrics have. */
export async function* readAllEpisodes(db: Db, runId: string) {
  for (const step of await listSteps(db, runId))
    for (const { tokenLogprobs, tokenKl, tokenValues, kl, ...episode } of await readStep(db, runId, step))
      yield { step, ...episode, klK3: kl, logprobs: tokenLogprobs, kl: tokenKl, values: tokenValues };
}
