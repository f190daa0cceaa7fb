/**
 * @file What people chose between two drafts in their own chats, in the form of other judgments. Only conversations that may be
 * used now: who withdraws consent, or deletes, takes the choice along.
 */
import { and, asc, count, desc, eq, inArray, isNotNull, or, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { conversations, draftPairs, liveComparisons, messages } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { maskPersonalData } from "../prompts/personal-data";
import { isUsableConversation } from "../usable-conversations";
import { inChunks } from "./in-chunks";
import type { PolicyPair } from "./policy-pair";
import type { Answer, ComparedTask, TaskJudgment } from "./read-judgments";

/** More would make a page wait for seconds; the newest count. */
const mostPairs = 5_000;

const first = alias(messages, "first");
const second = alias(messages, "second");

/** Pairs that somebody chose between, the challenger's draft first. @param pair null: of any two policies */
export async function readChosenTasks(db: Db, pair: PolicyPair | null): Promise<ComparedTask[]> {
  const rows = await db
    .select({
      taskId: draftPairs.id,
      batchId: draftPairs.comparisonId,
      promptId: draftPairs.questionId,
      candidateId: liveComparisons.candidateId,
      /** Gone on with since: it is not what was chosen between. */
      isResumed: sql<boolean>`${first.isResumed} or ${second.isResumed}`,
      firstDraft: { id: first.id, policyId: sql<string>`${first.checkpointId}`, text: first.content },
      secondDraft: { id: second.id, policyId: sql<string>`${second.checkpointId}`, text: second.content },
    })
    .from(draftPairs)
    .innerJoin(liveComparisons, eq(liveComparisons.id, draftPairs.comparisonId))
    .innerJoin(first, eq(first.id, draftPairs.firstId))
    .innerJoin(second, eq(second.id, draftPairs.secondId))
    .innerJoin(conversations, eq(conversations.id, first.conversationId))
    .where(and(isChosen, pair ? ofTwo(pair) : undefined))
    .orderBy(desc(draftPairs.createdAt), asc(draftPairs.id))
    .limit(mostPairs);
  const prompts = await readPrompts(
    db,
    rows.map(({ promptId }) => promptId),
  );
  return rows.reverse().map(({ candidateId, isResumed, firstDraft, secondDraft, ...task }) => {
    const isCandidateFirst = firstDraft.policyId === candidateId;
    const answers = isCandidateFirst
      ? ([firstDraft, secondDraft] as const)
      : ([secondDraft, firstDraft] as const);
    const asked = prompts.get(task.promptId) ?? nothingAsked;
    return toTask({ ...task, ...asked }, { answers, isResumed });
  });
}

export async function countChosen(db: Db, pair: PolicyPair): Promise<number> {
  const [counted] = await db
    .select({ n: count() })
    .from(draftPairs)
    .innerJoin(liveComparisons, eq(liveComparisons.id, draftPairs.comparisonId))
    .innerJoin(first, eq(first.id, draftPairs.firstId))
    .innerJoin(conversations, eq(conversations.id, first.conversationId))
    .where(and(isChosen, ofTwo(pair)));
  return counted?.n ?? 0;
}

const isChosen = and(isNotNull(draftPairs.verdict), isUsableConversation);

/** Whichever of the two was the challenger. */
const ofTwo = ({ candidateId, opponentId }: PolicyPair) =>
  or(
    and(eq(liveComparisons.candidateId, candidateId), eq(liveComparisons.opponentId, opponentId)),
    and(eq(liveComparisons.candidateId, opponentId), eq(liveComparisons.opponentId, candidateId)),
  );

type PromptOfTask = Pick<ComparedTask, "taskId" | "batchId" | "promptId"> & Asked;

type Drafts = { answers: readonly [Answer, Answer]; isResumed: boolean };

function toTask({ isWithheld, ...task }: PromptOfTask, { answers, isResumed }: Drafts): ComparedTask {
  const texts = [...task.messages.map(({ content }) => content), ...answers.map(({ text }) => text)];
  return {
    ...task,
    overlap: 1,
    source: "conversation",
    isSensitive: false,
    reasons: [],
    answers,
    isSame: !isResumed && answers[0].text.trim() === answers[1].text.trim(),
    // Prompts that labelers read are masked; these are read where they were written, so those with something to mask stay there.
    // Asked for a page of transcripts alone: looking through every text takes long.
    get isShown() {
      return (
        !isWithheld &&
        !isResumed &&
        texts.every((text) => Object.keys(maskPersonalData(text).masked).length === 0)
      );
    },
  };
}

/** A question, and how much was said before it; withheld where a prompt up to there was reported, or is sensitive. */
type Asked = Pick<ComparedTask, "messages" | "before"> & { isWithheld: boolean };

const nothingAsked: Asked = { messages: [], before: { turns: 0, characters: 0 }, isWithheld: false };

/** What was judged is the question and its drafts: of what was said before nothing but its size leaves the database. */
async function readPrompts(db: Db, questionIds: readonly string[]): Promise<Map<string, Asked>> {
  const found = new Map<string, Asked>();
  await inChunks(questionIds, async (some) => {
    const { rows } = await db.execute<{
      question: string;
      content: string;
      turns: number;
      characters: number;
      withheld: boolean;
    }>(sql`
      with recursive path(question, id, parent_id, role, characters) as (
        select id, id, parent_id, role, 0 from messages where id in (${sql.join(
          some.map((id) => sql`${id}::uuid`),
          sql`, `,
        )})
        union all
        select path.question, m.id, m.parent_id, m.role, length(m.content)
        from messages m join path on m.id = path.parent_id
      )
      select question, asked.content,
        (count(*) filter (where path.id <> question and path.role = 'user'))::int as turns,
        sum(characters)::int as characters,
        bool_or(exists (
          select from prompts p where p.message_id = path.id and (p.status = 'reported' or p.is_sensitive)
        )) as withheld
      from path join messages asked on asked.id = question group by question, asked.content`);
    for (const { question, content, turns, characters, withheld } of rows) {
      const messages = content === "" ? [] : [{ role: "user" as const, content }];
      found.set(question, { messages, before: { turns, characters }, isWithheld: withheld });
    }
  });
  return found;
}

/** @param without people whose choices do not count */
export async function readChoices(
  db: Db,
  tasks: readonly ComparedTask[],
  without: readonly string[],
): Promise<TaskJudgment[]> {
  const taskOf = new Map(tasks.map((task) => [task.taskId, task]));
  const told: TaskJudgment[] = [];
  await inChunks([...taskOf.keys()], async (some) => {
    const rows = await db
      .select()
      .from(draftPairs)
      .where(and(inArray(draftPairs.id, some), isNotNull(draftPairs.verdict)))
      .orderBy(asc(draftPairs.createdAt), asc(draftPairs.id));
    for (const { id, userId, firstId, verdict } of rows) {
      const task = taskOf.get(id);
      if (!task || without.includes(userId)) continue;
      const isOwnFirst = task.answers[0].id === firstId;
      const isWin = verdict === (isOwnFirst ? "first" : "second");
      const isTie = verdict === "tie" || verdict === "bothBad" || task.isSame;
      told.push({
        taskId: id,
        judge: userId,
        judgeName: "who asked",
        isHeldOut: false,
        credit: isTie ? 0.5 : isWin ? 1 : 0,
        isBothBad: verdict === "bothBad",
        margin: null,
      });
    }
  });
  return told;
}
