/** @file One line of an uploaded file of prompts. */
import { z } from "zod";
import { findFault } from "./add-prompt";
import type { PromptMessage } from "./fold-text";

export const promptLayouts = ["jsonl", "text"] as const;
export type PromptLayout = (typeof promptLayouts)[number];

export type PromptLine = {
  messages: PromptMessage[];
  /** Prompts of one group fall into one split. */
  group: string | null;
  isSensitive: boolean;
};

const maxLineBytes = 1024 * 1024;

const turnSchema = z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() });
const lineSchema = z.object({
  prompt: z.string().optional(),
  messages: z.array(turnSchema).max(1000).optional(),
  group: z.string().max(200).nullish(),
  sensitive: z.boolean().nullish(),
});

/** @returns the prompt, or why the line is none, as the rest of a sentence */
export function readPromptLine(line: string, layout: PromptLayout): PromptLine | { reason: string } {
  const bytes = Buffer.byteLength(line);
  if (bytes > maxLineBytes) return { reason: `has ${bytes} bytes; a line may have ${maxLineBytes}` };
  if (layout === "text") return toPrompt([{ role: "user", content: line }], {});
  const value = parseJson(line);
  if (value === undefined) return { reason: "is not JSON" };
  const read = lineSchema.safeParse(value);
  if (!read.success) return { reason: describeIssue(read.error) };
  const { prompt, messages } = read.data;
  if ((prompt === undefined) === (messages === undefined)) {
    return { reason: "must have one of the fields prompt and messages" };
  }
  return toPrompt(messages ?? [{ role: "user", content: prompt ?? "" }], read.data);
}

function toPrompt(
  messages: PromptMessage[],
  { group, sensitive }: Pick<z.infer<typeof lineSchema>, "group" | "sensitive">,
): PromptLine | { reason: string } {
  const reason = findFault(messages);
  return reason === null ? { messages, group: group ?? null, isSensitive: sensitive ?? false } : { reason };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function describeIssue({ issues }: z.ZodError): string {
  const [issue] = issues;
  if (!issue || issue.path.length === 0) return "is not a JSON object";
  return `has an unfit field ${issue.path.join(".")}: ${issue.message}`;
}
