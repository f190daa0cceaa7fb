/** @file An open-webui export: a list of chats, each with a `history` of messages that name their parents. */
import { z } from "zod";
import { type History, type HistoryFault, type HistoryMessage, readMoment } from "./history";

const contentSchema = z.union([z.string(), z.array(z.unknown())]).nullish();

const messageSchema = z.object({
  id: z.string().nullish(),
  parentId: z.string().nullish(),
  role: z.string(),
  content: contentSchema,
  timestamp: z.number().nullish(),
});
type Message = z.infer<typeof messageSchema>;

const chatSchema = z.object({
  title: z.string().nullish(),
  system: z.string().nullish(),
  params: z.object({ system: z.string().nullish() }).nullish(),
  history: z
    .object({ messages: z.record(z.string(), messageSchema), currentId: z.string().nullish() })
    .nullish(),
  /** The branch on screen; alone in old exports. */
  messages: z.array(messageSchema).nullish(),
});

const itemSchema = z.object({
  title: z.string().nullish(),
  chat: chatSchema,
  created_at: z.union([z.number(), z.string()]).nullish(),
  updated_at: z.union([z.number(), z.string()]).nullish(),
});

export function isOpenWebUi(item: object): boolean {
  return "chat" in item;
}

export function readOpenWebUi(item: object): History | HistoryFault {
  const read = itemSchema.safeParse(item);
  if (!read.success)
    return {
      reason: `is not laid out as open-webui does it (${z.prettifyError(read.error).split("\n")[0]})`,
    };
  const { title, chat, created_at, updated_at } = read.data;
  return {
    title: title ?? chat.title ?? "",
    systemPrompt: chat.params?.system ?? chat.system ?? "",
    createdAt: readMoment(created_at),
    updatedAt: readMoment(updated_at),
    ...readMessages(chat),
  };
}

function readMessages({
  history,
  messages,
}: z.infer<typeof chatSchema>): Pick<History, "messages" | "activeKey"> {
  const byKey = Object.entries(history?.messages ?? {});
  if (byKey.length > 0) {
    return {
      messages: byKey.map(([key, message]) => toMessage(message, key, message.parentId ?? null)),
      activeKey: history?.currentId ?? null,
    };
  }
  const branch = messages ?? [];
  return {
    messages: branch.map((message, i) => toMessage(message, String(i), i === 0 ? null : String(i - 1))),
    activeKey: branch.length === 0 ? null : String(branch.length - 1),
  };
}

function toMessage(
  { role, content, timestamp }: Message,
  key: string,
  parentKey: string | null,
): HistoryMessage {
  return {
    key,
    parentKey,
    role: role === "user" || role === "assistant" ? role : null,
    content: withoutReasoning(readContent(content)),
    createdAt: readMoment(timestamp),
  };
}

function readContent(content: z.infer<typeof contentSchema>): string {
  if (!Array.isArray(content)) return content ?? "";
  return content
    .map((part) =>
      part instanceof Object && "text" in part && typeof part.text === "string" ? part.text : "",
    )
    .filter(Boolean)
    .join("\n\n");
}

/** Thoughts and calls of tools stand before the answer, folded away. */
function withoutReasoning(text: string): string {
  return text.replace(
    /<details type="(?:reasoning|tool_calls|code_interpreter)"[^>]*>[\s\S]*?<\/details>/g,
    "",
  );
}
