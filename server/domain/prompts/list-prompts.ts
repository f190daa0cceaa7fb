/** @file Prompts as a labeling lead sees them: how many of which kind, what each rule removed. Never whose they are. */
import { and, count, desc, eq, inArray, not, type SQL, sql } from "drizzle-orm";
import { imports, prompts } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import type { PromptMessage } from "./fold-text";
import type { LineFault } from "./upload-prompts";
import { isConsentedPrompt, isUsablePrompt } from "./usable-prompts";

type PromptRow = typeof prompts.$inferSelect;

export type PromptFilter = {
  source?: PromptRow["source"] | undefined;
  status?: PromptRow["status"] | undefined;
  removedBy?: NonNullable<PromptRow["removedBy"]> | undefined;
  split?: PromptRow["split"] | undefined;
  /** Only those in which personal data was masked. */
  isMasked?: boolean | undefined;
};

export type ListedPrompt = Pick<
  PromptRow,
  | "id"
  | "source"
  | "form"
  | "split"
  | "status"
  | "removedBy"
  | "masked"
  | "isSensitive"
  | "priority"
  | "createdAt"
> & {
  /** Null where its owner does not let it be read (any more), or it is erased. */
  messages: PromptMessage[] | null;
  /** Of those written from one; empty otherwise. */
  useCase: string;
  isUsable: boolean;
  duplicateOf: { id: string; messages: PromptMessage[] | null } | null;
};

export type PromptPage = { prompts: ListedPrompt[]; nextCursor: number | null };

/** Without the folded text, which is as long as the conversation. */
const listedColumns = {
  id: prompts.id,
  source: prompts.source,
  form: prompts.form,
  split: prompts.split,
  status: prompts.status,
  removedBy: prompts.removedBy,
  masked: prompts.masked,
  isSensitive: prompts.isSensitive,
  priority: prompts.priority,
  createdAt: prompts.createdAt,
  messages: prompts.messages,
  useCase: prompts.useCase,
  duplicateOfId: prompts.duplicateOfId,
};

/** Newest first. @param cursor how many to leave out */
export async function listPrompts(
  db: Db,
  { filter, cursor, limit }: { filter: PromptFilter; cursor: number; limit: number },
): Promise<PromptPage> {
  const rows = await db
    .select({ prompt: listedColumns, isConsented: isConsentedPrompt, isUsable: isUsablePrompt })
    .from(prompts)
    .where(and(...conditionsOf(filter)))
    .orderBy(desc(prompts.createdAt), desc(prompts.id))
    .offset(cursor)
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const originals = await readTexts(
    db,
    page.flatMap(({ prompt }) => prompt.duplicateOfId ?? []),
  );
  return {
    prompts: page.map(({ prompt: { duplicateOfId, ...prompt }, isConsented, isUsable }) => ({
      ...prompt,
      messages: isConsented ? prompt.messages : null,
      useCase: isConsented ? prompt.useCase : "",
      isUsable,
      duplicateOf: duplicateOfId
        ? { id: duplicateOfId, messages: originals.get(duplicateOfId) ?? null }
        : null,
    })),
    nextCursor: rows.length > limit ? cursor + limit : null,
  };
}

function conditionsOf({ source, status, removedBy, split, isMasked }: PromptFilter): (SQL | undefined)[] {
  return [
    source && eq(prompts.source, source),
    status && eq(prompts.status, status),
    removedBy && eq(prompts.removedBy, removedBy),
    split && eq(prompts.split, split),
    isMasked ? sql`${prompts.masked} <> '{}'::jsonb` : undefined,
  ];
}

/** Of those that may be read. */
async function readTexts(db: Db, ids: readonly string[]): Promise<Map<string, PromptMessage[]>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .select({ id: prompts.id, messages: prompts.messages })
    .from(prompts)
    .where(and(inArray(prompts.id, [...ids]), isConsentedPrompt));
  return new Map(rows.map(({ id, messages }) => [id, messages]));
}

export type PromptCounts = {
  /** One entry for each combination that occurs. */
  groups: (Pick<PromptRow, "source" | "status" | "split" | "removedBy"> & { count: number })[];
  /** Ready, but not to be used while their owners do not agree. */
  withheld: number;
  /** Kind of personal data → places masked. */
  masked: Record<string, number>;
};

export async function countPrompts(db: Db): Promise<PromptCounts> {
  const key = [prompts.source, prompts.status, prompts.split, prompts.removedBy] as const;
  const groups = await db
    .select({
      source: prompts.source,
      status: prompts.status,
      split: prompts.split,
      removedBy: prompts.removedBy,
      count: count(),
    })
    .from(prompts)
    .groupBy(...key);
  const withheld = await db.$count(prompts, and(eq(prompts.status, "ready"), not(isUsablePrompt)));
  const masked = await db.execute<{ kind: string; places: number }>(sql`
    select key as kind, sum(value::int)::int as places
    from ${prompts}, jsonb_each_text(${prompts.masked})
    -- Most have nothing masked, and taking an empty object apart costs as much as a full one.
    where ${prompts.masked} <> '{}'::jsonb group by key order by key`);
  return {
    groups,
    withheld,
    masked: Object.fromEntries(masked.rows.map(({ kind, places }) => [kind, places])),
  };
}

export type PromptUpload = {
  id: string;
  name: string;
  status: (typeof imports.$inferSelect)["status"];
  counts: Record<string, number>;
  faults: LineFault[];
  createdAt: Date;
};

/** Files of prompts, newest first. */
export function listUploads(db: Db): Promise<PromptUpload[]> {
  return db
    .select({
      id: imports.id,
      name: imports.name,
      status: imports.status,
      counts: imports.counts,
      faults: imports.faults,
      createdAt: imports.createdAt,
    })
    .from(imports)
    .where(eq(imports.kind, "prompts"))
    .orderBy(desc(imports.createdAt))
    .limit(50);
}
