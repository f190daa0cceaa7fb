/** @file A LibreChat export: one conversation, its messages nested in `messagesTree` or flat with `parentMessageId`. */
import { z } from "zod";
import { type History, type HistoryFault, type HistoryMessage, readMoment } from "./history";

const messageSchema = z.object({
  messageId: z.string(),
  /** Zeros for the first message. */
  parentMessageId: z.string().nullish(),
  isCreatedByUser: z.boolean(),
  text: z.string().nullish(),
  /** Of newer versions and of agents: parts. */
  content: z.array(z.unknown()).nullish(),
  createdAt: z.string().nullish(),
  error: z.boolean().nullish(),
  children: z.array(z.unknown()).nullish(),
});

const exportSchema = z.object({
  title: z.string().nullish(),
  options: z.object({ promptPrefix: z.string().nullish(), system: z.string().nullish() }).nullish(),
  messages: z.unknown().optional(),
  messagesTree: z.unknown().optional(),
});

/** Deeper than any conversation; a nested file deeper than that is an attack on the reader. */
const maxDepth = 5_000;

export function isLibreChat(item: object): boolean {
  return "conversationId" in item && ("messages" in item || "messagesTree" in item);
}

export function readLibreChat(item: object): History | HistoryFault {
  const read = exportSchema.safeParse(item);
  if (!read.success) return { reason: "is not laid out as LibreChat does it" };
  const { title, options, messages: flat, messagesTree } = read.data;
  const roots = messagesTree ?? flat;
  const messages = flatten(Array.isArray(roots) ? roots : [roots]);
  if ("reason" in messages) return messages;
  const times = messages.flatMap(({ createdAt }) => (createdAt ? [createdAt.getTime()] : []));
  const last = messages.at(-1);
  return {
    title: title ?? "",
    systemPrompt: options?.promptPrefix ?? options?.system ?? "",
    createdAt: times.length > 0 ? new Date(Math.min(...times)) : null,
    updatedAt: times.length > 0 ? new Date(Math.max(...times)) : null,
    messages,
    activeKey: last?.key ?? null,
  };
}

function flatten(roots: readonly unknown[]): HistoryMessage[] | HistoryFault {
  const found: HistoryMessage[] = [];
  const waiting = roots.map((value) => ({ value, parentKey: null as string | null, depth: 0 })).reverse();
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const read = messageSchema.safeParse(next.value);
    if (!read.success) {
      return {
        reason: `has a message (number ${found.length + 1}) without messageId, text or isCreatedByUser`,
      };
    }
    if (next.depth > maxDepth)
      return { reason: `nests its messages deeper than ${maxDepth.toLocaleString("en")}` };
    const { messageId, parentMessageId, children } = read.data;
    found.push(toMessage(read.data, next.parentKey ?? parentMessageId ?? null));
    const { depth } = next;
    waiting.push(
      ...(children ?? []).map((value) => ({ value, parentKey: messageId, depth: depth + 1 })).reverse(),
    );
  }
  return found;
}

function toMessage(
  { messageId, isCreatedByUser, text, content, createdAt, error }: z.infer<typeof messageSchema>,
  parentKey: string | null,
): HistoryMessage {
  return {
    key: messageId,
    parentKey,
    role: error ? null : isCreatedByUser ? "user" : "assistant",
    content: (content ?? []).map(readPart).filter(Boolean).join("\n\n") || (text ?? ""),
    createdAt: readMoment(createdAt),
  };
}

function readPart(part: unknown): string {
  if (!(part instanceof Object) || !("type" in part) || part.type !== "text" || !("text" in part)) return "";
  if (typeof part.text === "string") return part.text;
  return part.text instanceof Object && "value" in part.text && typeof part.text.value === "string"
    ? part.text.value
    : "";
}
