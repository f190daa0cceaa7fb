/** @file Demonstrations from JSONL files, in the layouts people have them; every line that is unfit is named with its reason. */
import { z } from "zod";
import { type LineProblem, readEachLine } from "./read-lines";

export type DemonstrationMessage = { role: "system" | "user" | "assistant"; content: string };
export type Demonstration = { file: string; line: number; messages: DemonstrationMessage[] };

const text = z.string().refine((value) => value.trim() !== "", "is empty");
const roles = ["system", "user", "assistant"] as const;
const message = z.object({
  role: z.enum(roles, {
    error: ({ input }) => `unknown role ${JSON.stringify(input)}; known: ${roles.join(", ")}`,
  }),
  content: text,
});

type OasstNode = { text: string; role: string; rank?: number | null | undefined; replies: OasstNode[] };
const oasstNode: z.ZodType<OasstNode> = z.object({
  text,
  role: z.enum(["prompter", "assistant"]),
  rank: z.number().nullish(),
  replies: z.lazy(() => z.array(oasstNode)),
});

/** Each layout by the field that tells it from the others. */
const layouts = {
  messages: z.object({ messages: z.array(message).min(1) }).transform(({ messages }) => [messages]),
  response: z
    .object({ prompt: text, response: text, system: text.optional() })
    .transform(({ prompt, response, system }) => [pair(prompt, response, system)]),
  message_tree_id: z.object({ prompt: oasstNode }).transform(({ prompt }) => [bestPath(prompt)]),
  // Self-instruct: an instruction, with or without an input, and its outputs.
  instruction: z
    .object({ instruction: text, instances: z.array(z.object({ input: z.string(), output: text })).min(1) })
    .transform(({ instruction, instances }) =>
      instances.map(({ input, output }) =>
        pair(input.trim() ? `${instruction}\n\n${input}` : instruction, output),
      ),
    ),
} as const satisfies Record<string, z.ZodType<DemonstrationMessage[][]>>;

/**
 * Reads every line of the files. Nothing is thrown for a bad line: what to do about it is the caller's to say.
 * @throws DataFileError when a file cannot be read
 */
export async function readDemonstrations(
  files: readonly string[],
): Promise<{ demonstrations: Demonstration[]; problems: LineProblem[]; sha256: string }> {
  const { rows, ...read } = await readEachLine(files, readDemonstrationLine);
  const demonstrations = rows.flatMap(({ conversations, file, line }) =>
    conversations.map((messages) => ({ file, line, messages })),
  );
  return { demonstrations, ...read };
}

/** One line of JSONL as the conversations it holds. */
export function readDemonstrationLine(
  raw: string,
): { conversations: DemonstrationMessage[][] } | { reason: string } {
  let json: unknown;
  try {
    json = JSON.parse(raw);
  } catch {
    return { reason: "is not JSON" };
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    return { reason: "is no JSON object" };
  const layout = Object.entries(layouts).find(([field]) => field in json);
  if (layout === undefined) return { reason: `has none of the fields ${Object.keys(layouts).join(", ")}` };
  const parsed = layout[1].safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { reason: `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "is malformed"}` };
  }
  const unanswered = parsed.data.find((messages) => messages.at(-1)?.role !== "assistant");
  return unanswered ? { reason: "does not end with an assistant's message" } : { conversations: parsed.data };
}

function pair(prompt: string, response: string, system?: string): DemonstrationMessage[] {
  const turns: DemonstrationMessage[] = [
    { role: "user", content: prompt },
    { role: "assistant", content: response },
  ];
  return system === undefined ? turns : [{ role: "system", content: system }, ...turns];
}

/** From the question down, always by the best ranked reply, as far as an assistant answers. */
function bestPath(root: OasstNode): DemonstrationMessage[] {
  const messages: DemonstrationMessage[] = [];
  for (let node: OasstNode | undefined = root; node; ) {
    messages.push({ role: node.role === "prompter" ? "user" : "assistant", content: node.text });
    const rankOf = ({ rank }: OasstNode) => rank ?? Number.POSITIVE_INFINITY;
    node = node.replies.toSorted((a, b) => rankOf(a) - rankOf(b))[0];
  }
  return messages.slice(0, messages.findLastIndex(({ role }) => role === "assistant") + 1);
}
