/** @file Dataset snapshots of the product's rankings, demonstrations and prompts: what reward models, SFT and PPO learn from. */
import { createHash, randomBytes } from "node:crypto";
import { and, asc, eq, isNull, or, sql } from "drizzle-orm";
import {
  batches,
  demonstrations,
  labelerGroups,
  labelers,
  prompts,
  rankingTasks,
  snapshotDemonstrations,
  snapshotRankings,
} from "@/drizzle/schema";
import type { RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { agreementOf, meetingsBetween } from "@/model/eval/agreement";
import { createRanking } from "@/model/eval/ranking";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import type { Dataset } from "../datasets";
import { createSnapshot } from "../datasets-make";
import { type Split, splits } from "../prompts/split";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { readCurrentRewardModel } from "../reward-models/current-reward-model";
import { type RankingFilter, readRankedPrompts } from "./read-ranked-prompts";

type Named = { name: string; description: string; actorId: string | null };

/**
 * Rankings as they are now, one row a prompt. The held-out group's work is never among them, nor those of the split `test`, nor what the reward model in
 * use has still to score: its accuracy on new rankings is measured before anything learns from them.
 * @param agreementFloor tasks whose labelers agree on a smaller share of their pairs are left out; null: none is. Tasks
 * that one labeler ranked have no agreement and stay.
 * @throws {AppError} BAD_REQUEST when nothing fits
 */
export async function snapshotRankingsOf(
  db: Db,
  { filter, agreementFloor, ...named }: Named & { filter: RankingFilter; agreementFloor: number | null },
): Promise<Dataset> {
  const rows: { content: string; ownerId: string | null }[] = [];
  const taken: string[] = [];
  const salt = randomBytes(16).toString("hex");
  for await (const { record, ownerId, rankingIds } of readRankedPrompts(db, {
    ...filter,
    splits: learnedSplits(filter),
    withHeldOut: false,
    onlyReleased: true,
  })) {
    const agreement = agreementFloor === null ? null : agreementWithin(record);
    if (agreementFloor !== null && agreement !== null && agreement < agreementFloor) continue;
    const user = ownerId === null ? null : pseudonymOf(ownerId, salt);
    const meta = user === null ? record.meta : { ...record.meta, user };
    rows.push({ content: JSON.stringify({ formatVersion: 1, ...record, ...(meta && { meta }) }), ownerId });
    taken.push(...rankingIds);
  }
  if (rows.length === 0) throw await noRankingFits(db);
  return createSnapshot(db, {
    ...named,
    kind: "rankings",
    rows,
    onSealed: async (tx, datasetId) => {
      for (let start = 0; start < taken.length; start += linksPerInsert) {
        await tx
          .insert(snapshotRankings)
          .values(taken.slice(start, start + linksPerInsert).map((rankingId) => ({ datasetId, rankingId })));
      }
    },
  });
}

/** On held-out users' prompts policies are judged: nothing learns from what was said to them. */
function learnedSplits({ splits: wanted }: RankingFilter): Split[] {
  const learned = (wanted.length > 0 ? wanted : splits).filter((split) => split !== "test");
  if (learned.length > 0) return learned;
  throw new AppError(
    "BAD_REQUEST",
    "On prompts of the split “test” policies are judged. What people said to them is exported, and learned from by nothing.",
  );
}

const linksPerInsert = 5_000;

/** So that training keeps a person's prompts on one side of its split; it says nothing outside of this snapshot. */
function pseudonymOf(ownerId: string, salt: string): string {
  return createHash("sha256").update(`${salt} ${ownerId}`).digest("hex").slice(0, 12);
}

/** Share of the pairs on which every two rankings of the task agree, ties left out; null where none can be compared. */
function agreementWithin({ responses, rankings }: RankedPrompt): number | null {
  const ids = responses.map((_, place) => String(place));
  const made = rankings.map(({ ranks }, place) => ({
    task: "",
    labeler: String(place),
    ranking: createRanking(ids, ranks),
    at: place,
  }));
  return agreementOf(meetingsBetween(made), { seed: 0, resamples: 1 }).share;
}

async function noRankingFits(db: Db): Promise<AppError> {
  const current = await readCurrentRewardModel(db);
  if (!current || current.problem || current.unscored === 0) return nothingFits("ranking");
  return new AppError(
    "BAD_REQUEST",
    `No scored ranking fits this filter. New ones wait to be scored by ${current.name} first (${current.unscored} now): try again in a while.`,
  );
}

const nothingFits = (what: string) =>
  new AppError("BAD_REQUEST", `No ${what} fits this filter, so there is nothing to make a dataset of.`);

/**
 * Current demonstrations as conversations that end with the demonstration, for SFT. Those of practice and of the test are
 * not among them.
 * @param minRating of the reviewer, 1-7; null takes those nobody has reviewed too. Returned ones are never taken
 * @throws {AppError} BAD_REQUEST when nothing fits
 */
export async function snapshotDemonstrationsOf(
  db: Db,
  { minRating, ...named }: Named & { minRating: number | null },
): Promise<Dataset> {
  const fitting = await db
    .select({
      id: demonstrations.id,
      text: demonstrations.text,
      messages: prompts.messages,
      ownerId: prompts.ownerId,
    })
    .from(demonstrations)
    .innerJoin(prompts, eq(prompts.id, demonstrations.promptId))
    .leftJoin(labelers, eq(labelers.userId, demonstrations.labelerId))
    .leftJoin(labelerGroups, eq(labelerGroups.id, demonstrations.groupId))
    .leftJoin(rankingTasks, eq(rankingTasks.id, demonstrations.taskId))
    .leftJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(
      and(
        eq(demonstrations.isCurrent, true),
        or(isNull(batches.id), eq(batches.purpose, "work")),
        sql`${demonstrations.status} <> 'returned'`,
        sql`${demonstrations.text} <> ''`,
        minRating === null ? undefined : sql`${demonstrations.rating} >= ${minRating}`,
        eq(prompts.split, "train"),
        isNull(labelers.setAsideAt),
        or(isNull(labelerGroups.id), eq(labelerGroups.isHeldOut, false)),
        isUsablePrompt,
      ),
    )
    .orderBy(asc(demonstrations.createdAt), asc(demonstrations.id));
  if (fitting.length === 0) throw nothingFits("demonstration");
  return createSnapshot(db, {
    ...named,
    kind: "demonstrations",
    rows: fitting.map(({ messages, text, ownerId }) => ({
      content: JSON.stringify({ messages: [...messages, { role: "assistant", content: text }] }),
      ownerId,
    })),
    onSealed: async (tx, datasetId) => {
      const links = fitting.map(({ id }, position) => ({ datasetId, demonstrationId: id, position }));
      for (let start = 0; start < links.length; start += linksPerInsert) {
        await tx.insert(snapshotDemonstrations).values(links.slice(start, start + linksPerInsert));
      }
    },
  });
}

/** What PPO may answer now: prompts that nobody pulled, whose owners agree, and that no evaluation needs. */
const isForPpo = and(eq(prompts.split, "train"), isUsablePrompt);

export function countPromptsForPpo(db: Db): Promise<number> {
  return db.$count(prompts, isForPpo);
}

/**
 * Those as they are now, oldest first.
 * @throws {AppError} BAD_REQUEST when there is none
 */
export async function snapshotPromptsOf(db: Db, named: Named): Promise<Dataset> {
  const fitting = await db
    .select({ messages: prompts.messages, ownerId: prompts.ownerId })
    .from(prompts)
    .where(isForPpo)
    .orderBy(asc(prompts.createdAt), asc(prompts.id));
  if (fitting.length === 0)
    throw new AppError("BAD_REQUEST", "There is no prompt that may be trained on yet.");
  const salt = randomBytes(16).toString("hex");
  return createSnapshot(db, {
    ...named,
    kind: "prompts",
    rows: fitting.map(({ messages, ownerId }) => {
      const user = ownerId === null ? {} : { user: pseudonymOf(ownerId, salt) };
      return { content: JSON.stringify({ prompt: messages, ...user }), ownerId };
    }),
  });
}
