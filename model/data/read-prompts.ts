/** @file Prompts to be answered, from JSONL files: text or a conversation, with what its answer can be checked against. */
import { z } from "zod";
import { type GoldRule, goldRuleSchema } from "../eval/gold";
import type { ConversationMessage } from "../tokenizer/render-conversation";
import { type LineProblem, readEachLine } from "./read-lines";

export type PromptRecord = {
  file: string;
  line: number;
  /** The conversation up to what is to be answered. */
  messages: ConversationMessage[];
  /** Whose prompt it is, where that is known: prompts of one person stay on one side of a split. */
  user?: string | undefined;
  /** What a response is checked against, where the line says so. */
  rules: GoldRule[] | null;
};

const text = z.string().refine((value) => value.trim() !== "", "is empty");
const message = z.object({ role: z.enum(["system", "user", "assistant"]), content: text });
const turns = z
  .array(message)
  .min(1)
  .refine((all) => all.at(-1)?.role === "user", "does not end with a user's message");

const lineSchema = z
  .object({
    prompt: z.union([text, turns]).optional(),
    /** A demonstration: its last answer is left out. */
    messages: z.array(message).min(1).optional(),
    /** Self-instruct's word for a prompt. */
    instruction: text.optional(),
    user: z.string().optional(),
    rules: z.array(goldRuleSchema).optional(),
  })
  .transform(({ prompt, messages, instruction, user, rules = null }, context) => {
    const asked = prompt ?? (messages && withoutAnswer(messages)) ?? instruction;
    if (asked === undefined) context.addIssue("has none of the fields prompt, messages, instruction");
    const conversation =
      typeof asked === "string" ? [{ role: "user" as const, content: asked }] : (asked ?? []);
    if (asked !== undefined && conversation.at(-1)?.role !== "user")
      context.addIssue("has no user's message to answer");
    return { messages: conversation, user, rules };
  });

function withoutAnswer(messages: readonly z.output<typeof message>[]) {
  return messages.slice(0, messages.findLastIndex(({ role }) => role === "user") + 1);
}

/**
 * Reads every line; what to do about a bad one is the caller's to say.
 * @throws DataFileError when a file cannot be read
 */
export async function readPrompts(
  files: readonly string[],
): Promise<{ prompts: PromptRecord[]; problems: LineProblem[]; sha256: string }> {
  const { rows: prompts, ...read } = await readEachLine(files, readPromptLine);
  return { prompts, ...read };
}

/** One line of JSONL. */
export function readPromptLine(raw: string): Omit<PromptRecord, "file" | "line"> | { reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(raw);
  } catch {
    return { reason: "is not JSON" };
  }
  const parsed = lineSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".");
  return { reason: `${at ? `${at}: ` : ""}${issue?.message ?? "is malformed"}` };
}
