/**
 * @file A task suite: a folder with `suite.json` (what is asked and how it is scored) and `items.jsonl` (one item a line).
 * Suites are plain data, so anybody can bring their own; docs/suites.md describes the format.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { DataFileError, readEachLine } from "../../data/read-lines";
import { goldRuleSchema } from "../gold";
import { machineCheckSchema } from "./case-check";

/** The suite cannot be used; one line per fault, each with its file and line. */
export class SuiteError extends Error {
  override readonly name = "SuiteError";
}

export const suiteFile = "suite.json";
export const itemsFile = "items.jsonl";

const text = z.string().min(1);
const shotSchema = z.strictObject({ prompt: text, response: text });
const common = {
  id: text.optional(),
  prompt: text,
  slice: text.optional().describe("what kind of item it is; figures are given for each kind too"),
};
const conversation = {
  id: common.id,
  slice: common.slice,
  messages: z
    .array(z.strictObject({ role: z.enum(["system", "user", "assistant"]), content: text }))
    .min(1)
    .refine((turns) => turns.at(-1)?.role === "user", "the last turn must be the user's")
    .describe("the conversation up to the turn that is answered"),
};
const answered = z.strictObject({ ...common, references: z.array(z.string()).min(1) });

/** What an item of each metric holds. */
export const itemSchemas = {
  squad: answered,
  drop: z.strictObject({
    ...common,
    references: z
      .array(z.union([text.transform((span) => [span]), z.array(text).min(1)]))
      .min(1)
      .describe("each a right answer, of one span or of several"),
  }),
  bleu: answered,
  rougeL: answered,
  number: answered,
  choice: z
    .strictObject({ ...common, choices: z.array(text).min(2), answer: z.int().min(0).describe("from 0") })
    .refine(({ choices, answer }) => answer < choices.length, "answer: there is no such choice"),
  rules: z.strictObject({ ...common, rules: z.array(goldRuleSchema).min(1) }),
  refusal: z.strictObject({ ...common, refuse: z.boolean().describe("whether it is to be refused") }),
  toxicity: z.strictObject(common),
  bitsPerByte: z.strictObject({
    id: common.id,
    slice: common.slice,
    text: z.string().min(2),
  }),
  cases: z.strictObject({ ...conversation, expects: machineCheckSchema }),
  eyes: z.strictObject({ ...conversation, lookFor: z.string().default("") }),
} as const satisfies Record<string, z.ZodType>;

export type SuiteMetric = keyof typeof itemSchemas;
export const suiteMetrics = Object.keys(itemSchemas) as [SuiteMetric, ...SuiteMetric[]];
/** Every one of their items is asked, as it stands: each was pinned for a reason. */
export const isPinned = (metric: SuiteMetric): boolean => metric === "cases" || metric === "eyes";

export type SuiteItem<M extends SuiteMetric = SuiteMetric> = z.infer<(typeof itemSchemas)[M]> & {
  id: string;
};

const askedSchema = z.strictObject({
  instruction: z.string().default("").describe("stands before each prompt"),
  responseTokens: z.int().min(1).max(2048).default(64),
  shots: z.array(shotSchema).max(32).default([]).describe("examples that go before, as earlier turns"),
});

export const suiteNameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,59}$/, "small letters, digits and hyphens, at most 60");

const suiteSchema = askedSchema.extend({
  name: suiteNameSchema,
  title: text.max(100),
  description: z.string().max(2000).default(""),
  licence: z.string().max(200).default(""),
  metric: z.enum(suiteMetrics),
  stop: z.array(text).max(8).default([]).describe("a response ends before the first of these"),
  noAnswer: text
    .nullable()
    .default(null)
    .describe("of squad: what stands for “there is no answer”, in references and responses"),
  reasoning: askedSchema
    .nullable()
    .default(null)
    .describe("a second way to ask, with the steps written out (chain of thought)"),
});

export type Asked = z.infer<typeof askedSchema>;
export type Suite<M extends SuiteMetric = SuiteMetric> = Omit<z.infer<typeof suiteSchema>, "metric"> & {
  metric: M;
  /** Of both files' bytes: figures of different ones are not compared. */
  sha256: string;
  items: SuiteItem<M>[];
};

/** @throws SuiteError naming every faulty field, and the first faulty lines; DataFileError where a file is missing */
export async function readSuite(folder: string): Promise<Suite> {
  const file = path.join(folder, suiteFile);
  const head = suiteSchema.safeParse(await readJson(file));
  if (!head.success)
    throw new SuiteError(head.error.issues.map((issue) => `${file}: ${describeIssue(issue)}`).join("\n"));
  const schema: z.ZodType = itemSchemas[head.data.metric];
  const { rows, problems, sha256 } = await readEachLine([path.join(folder, itemsFile)], (line) =>
    readItem(schema, line),
  );
  const items = rows.map(({ item, line }) => ({ ...item, id: item.id ?? `${line}` }));
  const faults = [
    ...problems.slice(0, 5).map(({ file: at, line, reason }) => `${at}:${line} ${reason}`),
    ...(problems.length > 5 ? [`and ${problems.length - 5} more lines`] : []),
    ...(rows.length === 0 && problems.length === 0
      ? [`${path.join(folder, itemsFile)}: it has no items`]
      : []),
    ...sameIds(items),
  ];
  if (faults.length > 0) throw new SuiteError(faults.join("\n"));
  const both = createHash("sha256")
    .update(await readFile(file))
    .update(sha256);
  return { ...head.data, sha256: both.digest("hex"), items: items as SuiteItem[] };
}

function readItem(schema: z.ZodType, line: string): { item: { id?: string } } | { reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return { reason: "is not JSON" };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { item: parsed.data as { id?: string } };
  return { reason: parsed.error.issues.map(describeIssue).join("; ") };
}

function sameIds(items: readonly { id: string }[]): string[] {
  const seen = new Set<string>();
  const twice = items.filter(({ id }) => seen.size === seen.add(id).size);
  return twice.slice(0, 3).map(({ id }) => `two items have the id “${id}”`);
}

const describeIssue = ({ path: at, message }: z.core.$ZodIssue) =>
  at.length > 0 ? `${at.join(".")}: ${message}` : message;

async function readJson(file: string): Promise<unknown> {
  const bytes = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const fact = cause.code === "ENOENT" ? "there is no such file" : cause.message;
    throw new DataFileError(`Suite ${file}: ${fact}.`, { cause });
  });
  try {
    return JSON.parse(bytes);
  } catch (cause) {
    throw new SuiteError(`${file}: it is not JSON.`, { cause });
  }
}
