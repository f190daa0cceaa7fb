/** @file Conversations that somebody had elsewhere, into their own account. Nobody else may use them until they say so. */
import { randomUUID } from "node:crypto";
import { and, count, desc, eq, isNull, sql } from "drizzle-orm";
import { consentEvents, conversations, imports, messages } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError, isAppError } from "../../errors";
import { appendAudit } from "../audit";
import { consentNoticeVersion } from "../consent";
import { maxSystemPromptCharacters, maxTitleCharacters } from "../conversations";
import { maxMessageCharacters, storableText } from "../message-text";
import { readSetting } from "../settings";
import { isChatGpt, readChatGpt } from "./chatgpt";
import { type History, type HistoryFault, type OrderedHistory, orderHistory } from "./history";
import { isLibreChat, readLibreChat } from "./librechat";
import { isOpenWebUi, readOpenWebUi } from "./open-webui";
import { type Item, readItems } from "./read-items";

/** Of one file. */
export const maxHistoryBytes = 1024 * 1024 * 1024;
const maxMessages = 20_000;
const maxFaults = 100;
const messagesPerInsert = 500;
const dayMs = 24 * 60 * 60 * 1000;

type Layout = { is: (item: object) => boolean; read: (item: object) => History | HistoryFault };

/** Looked at in this order: the first that knows an item reads it. */
export const historyLayouts = {
  chatgpt: { is: isChatGpt, read: readChatGpt },
  openWebUi: { is: isOpenWebUi, read: readOpenWebUi },
  libreChat: { is: isLibreChat, read: readLibreChat },
} as const satisfies Record<string, Layout>;
export type HistoryLayout = keyof typeof historyLayouts;

export type ImportedHistory = {
  conversations: number;
  messages: number;
  /** Were imported before, by title and date. */
  alreadyHere: number;
  /** Older than the days for which this server keeps conversations. */
  outdated: number;
  unfit: number;
  /** `line`: the item's number in the file. */
  faults: { line: number; reason: string }[];
};

/**
 * Reads a file of ChatGPT, open-webui or LibreChat. Each conversation stands by itself: one that cannot be read is named and
 * costs no other. What was taken before a file broke off stays.
 * @throws {AppError} TOO_LARGE; BAD_REQUEST for a file that is none of these
 */
export async function importHistory(
  db: Db,
  { userId, bytes }: { userId: string; bytes: AsyncIterable<Uint8Array> },
): Promise<ImportedHistory> {
  const [row] = await db
    .insert(imports)
    .values({ name: "history", kind: "histories", layout: "unknown", status: "reading", createdBy: userId })
    .returning({ id: imports.id });
  if (!row) throw new Error("The import was not stored.");
  const reading = new HistoryReading(db, userId);
  try {
    for await (const item of readItems(bounded(bytes))) await reading.take(item);
    reading.checkLayout();
    await endImport(db, { importId: row.id, userId, reading, reason: null });
  } catch (error) {
    const reason = isAppError(error) ? error.message : "The connection was lost, or the server failed.";
    await endImport(db, { importId: row.id, userId, reading, reason });
    throw error;
  }
  return reading.result;
}

async function* bounded(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.byteLength;
    if (size > maxHistoryBytes) {
      throw new AppError(
        "TOO_LARGE",
        `A file may have ${maxHistoryBytes / 1024 / 1024} MB. Split it in two.`,
      );
    }
    yield chunk;
  }
}

class HistoryReading {
  readonly result: ImportedHistory = {
    conversations: 0,
    messages: 0,
    alreadyHere: 0,
    outdated: 0,
    unfit: 0,
    faults: [],
  };
  layout: HistoryLayout | null = null;
  #items = 0;

  constructor(
    readonly db: Db,
    readonly userId: string,
  ) {}

  async take(item: Item): Promise<void> {
    this.#items += 1;
    const read = "reason" in item ? item : this.#read(item.value);
    if ("reason" in read) return this.#refuse(item.number, read.reason);
    const { messages: added, outcome } = await storeHistory(this.db, this.userId, read);
    this.result[outcome] += 1;
    this.result.messages += added;
  }

  /** @throws {AppError} BAD_REQUEST where not one item was known */
  checkLayout(): void {
    if (this.layout !== null || this.#items === 0) return;
    throw new AppError(
      "BAD_REQUEST",
      "This file is no export of ChatGPT, open-webui or LibreChat. Choose the JSON file that one of these exported.",
    );
  }

  #read(item: object): OrderedHistory | HistoryFault {
    const found = Object.entries(historyLayouts).find(([, { is }]) => is(item));
    if (!found) return { reason: "is laid out in a way that is not known" };
    this.layout ??= found[0] as HistoryLayout;
    const history = found[1].read(item);
    if ("reason" in history) return history;
    const ordered = orderHistory(history);
    return "reason" in ordered ? ordered : (findExcess(ordered) ?? ordered);
  }

  #refuse(line: number, reason: string): void {
    this.result.unfit += 1;
    if (this.result.faults.length < maxFaults) this.result.faults.push({ line, reason });
  }
}

function findExcess({ messages: turns, systemPrompt }: OrderedHistory): HistoryFault | null {
  if (turns.length > maxMessages) return { reason: `has ${turns.length} messages; ${maxMessages} may be` };
  const long = turns.find(({ content }) => content.length > maxMessageCharacters);
  if (long)
    return { reason: `has a message of ${long.content.length} characters; ${maxMessageCharacters} may be` };
  if (systemPrompt.length > maxSystemPromptCharacters) {
    return {
      reason: `has a system prompt of ${systemPrompt.length} characters; ${maxSystemPromptCharacters} may be`,
    };
  }
  return null;
}

type Stored = { messages: number; outcome: "conversations" | "alreadyHere" | "outdated" };

async function storeHistory(db: Db, userId: string, history: OrderedHistory): Promise<Stored> {
  const title = storableText(history.title.trim()).slice(0, maxTitleCharacters).trim();
  const createdAt = history.createdAt ?? history.messages[0]?.createdAt ?? new Date();
  const updatedAt = history.updatedAt && history.updatedAt > createdAt ? history.updatedAt : createdAt;
  const retentionDays = await readSetting(db, "retentionDays");
  if (retentionDays !== null && updatedAt.getTime() < Date.now() - retentionDays * dayMs) {
    return { messages: 0, outcome: "outdated" };
  }
  return db.transaction(async (tx) => {
    if (await isHere(tx, { userId, title, createdAt })) return { messages: 0, outcome: "alreadyHere" };
    const conversationId = randomUUID();
    await tx.insert(conversations).values({
      id: conversationId,
      userId,
      title,
      titledByUser: title !== "",
      systemPrompt: storableText(history.systemPrompt),
      // The account's yes was given for conversations held here.
      consent: false,
      source: "import",
      createdAt,
      updatedAt,
    });
    const { rows, activeLeafId } = toRows(history, conversationId, createdAt);
    for (let start = 0; start < rows.length; start += messagesPerInsert) {
      await tx.insert(messages).values(rows.slice(start, start + messagesPerInsert));
    }
    await tx.update(conversations).set({ activeLeafId }).where(eq(conversations.id, conversationId));
    return { messages: rows.length, outcome: "conversations" };
  });
}

async function isHere(
  tx: Tx,
  { userId, title, createdAt }: { userId: string; title: string; createdAt: Date },
): Promise<boolean> {
  const same = await tx.$count(
    conversations,
    and(
      eq(conversations.userId, userId),
      eq(conversations.source, "import"),
      eq(conversations.title, title),
      eq(conversations.createdAt, createdAt),
      isNull(conversations.deletedAt),
    ),
  );
  return same > 0;
}

function toRows(history: OrderedHistory, conversationId: string, begun: Date) {
  const placed = new Map<string, { id: string; at: number }>();
  const rows = history.messages.map((message): typeof messages.$inferInsert => {
    const parent = message.parentKey === null ? undefined : placed.get(message.parentKey);
    // Pages read a tree in order of time: an answer is never older than its question, whatever the file says.
    const earliest = parent ? parent.at + 1 : begun.getTime();
    const at = Math.max(earliest, message.createdAt?.getTime() ?? 0);
    const id = randomUUID();
    placed.set(message.key, { id, at });
    return {
      id,
      conversationId,
      parentId: parent?.id ?? null,
      role: message.role,
      content: message.content,
      // No policy of ours said it.
      status: message.role === "assistant" ? "supplied" : "complete",
      createdAt: new Date(at),
      finishedAt: new Date(at),
    };
  });
  const active = history.activeKey === null ? undefined : placed.get(history.activeKey);
  return { rows, activeLeafId: active?.id ?? rows.at(-1)?.id ?? null };
}

async function endImport(
  db: Db,
  {
    importId,
    userId,
    reading,
    reason,
  }: { importId: string; userId: string; reading: HistoryReading; reason: string | null },
): Promise<void> {
  const { faults, ...counts } = reading.result;
  const layout = reading.layout ?? "unknown";
  await db.transaction(async (tx) => {
    await tx
      .update(imports)
      .set({
        status: reason === null ? "finished" : "failed",
        reason,
        layout,
        counts,
        faults,
        endedAt: new Date(),
      })
      .where(eq(imports.id, importId));
    await appendAudit(tx, {
      actorId: userId,
      action: "history.imported",
      subject: userId,
      details: { layout, ...counts },
    });
  });
}

export type ImportsState = {
  /** Imported conversations that are here. */
  conversations: number;
  /** Of these, may be used. */
  usable: number;
  /** Files, newest first. */
  files: {
    id: string;
    layout: string;
    status: (typeof imports.$inferSelect)["status"];
    reason: string | null;
    counts: Record<string, number>;
    createdAt: Date;
  }[];
};

/** What a person brought from elsewhere, and whether it may be used. */
export async function readImports(db: Db, userId: string): Promise<ImportsState> {
  const [found] = await db
    .select({
      conversations: count(),
      usable: sql<number>`count(*) filter (where ${conversations.consent})::int`,
    })
    .from(conversations)
    .where(ownImports(userId));
  const files = await db
    .select({
      id: imports.id,
      layout: imports.layout,
      status: imports.status,
      reason: imports.reason,
      counts: imports.counts,
      createdAt: imports.createdAt,
    })
    .from(imports)
    .where(and(eq(imports.createdBy, userId), eq(imports.kind, "histories")))
    .orderBy(desc(imports.createdAt))
    .limit(20);
  return { conversations: found?.conversations ?? 0, usable: found?.usable ?? 0, files };
}

const ownImports = (userId: string) =>
  and(eq(conversations.userId, userId), eq(conversations.source, "import"), isNull(conversations.deletedAt));

/** The answer to the consent question for everything imported so far: one event a conversation. */
export async function answerImports(
  db: Db,
  { userId, granted }: { userId: string; granted: boolean },
): Promise<ImportsState> {
  await db.transaction(async (tx) => {
    const changed = await tx
      .update(conversations)
      .set({ consent: granted })
      .where(and(ownImports(userId), sql`${conversations.consent} is distinct from ${granted}`))
      .returning({ id: conversations.id });
    for (let start = 0; start < changed.length; start += messagesPerInsert) {
      await tx.insert(consentEvents).values(
        changed.slice(start, start + messagesPerInsert).map(({ id }) => ({
          userId,
          conversationId: id,
          granted,
          noticeVersion: consentNoticeVersion,
        })),
      );
    }
    await appendAudit(tx, {
      actorId: userId,
      action: "consent.answered",
      subject: userId,
      details: { granted, importedConversations: changed.length },
    });
  });
  return readImports(db, userId);
}
