/** @file conversations.json of a ChatGPT export: a list of conversations, each a `mapping` of nodes with parents. */
import { z } from "zod";
import { type History, type HistoryFault, type HistoryMessage, readMoment } from "./history";

const messageSchema = z.object({
  author: z.object({ role: z.string() }),
  create_time: z.number().nullish(),
  content: z.object({
    content_type: z.string(),
    parts: z.array(z.unknown()).nullish(),
    text: z.string().nullish(),
    language: z.string().nullish(),
  }),
  /** "all": said to the person; a name: to a tool. */
  recipient: z.string().nullish(),
  metadata: z.object({ is_visually_hidden_from_conversation: z.boolean().nullish() }).nullish(),
});

const conversationSchema = z.object({
  title: z.string().nullish(),
  create_time: z.number().nullish(),
  update_time: z.number().nullish(),
  current_node: z.string().nullish(),
  mapping: z.record(z.string(), z.object({ message: messageSchema.nullish(), parent: z.string().nullish() })),
});

export function isChatGpt(item: object): boolean {
  return "mapping" in item;
}

export function readChatGpt(item: object): History | HistoryFault {
  const read = conversationSchema.safeParse(item);
  if (!read.success)
    return { reason: `is not laid out as ChatGPT does it (${z.prettifyError(read.error).split("\n")[0]})` };
  const { title, create_time, update_time, current_node, mapping } = read.data;
  return {
    title: title ?? "",
    systemPrompt: "",
    createdAt: readMoment(create_time),
    updatedAt: readMoment(update_time),
    activeKey: current_node ?? null,
    messages: Object.entries(mapping).map(([key, { message, parent }]) => ({
      key,
      parentKey: parent ?? null,
      ...readNode(message ?? null),
    })),
  };
}

type Node = Pick<HistoryMessage, "role" | "content" | "createdAt">;
const nothing: Node = { role: null, content: "", createdAt: null };

/** Custom instructions, thoughts and what tools are told and answer are not said to the person. */
function readNode(message: z.infer<typeof messageSchema> | null): Node {
  const role = message?.author.role;
  if (!message || (role !== "user" && role !== "assistant")) return nothing;
  if (message.metadata?.is_visually_hidden_from_conversation) return nothing;
  if (message.recipient && message.recipient !== "all") return nothing;
  return { role, content: readContent(message.content), createdAt: readMoment(message.create_time) };
}

function readContent({
  content_type,
  parts,
  text,
  language,
}: z.infer<typeof messageSchema>["content"]): string {
  if (content_type === "code")
    return `\`\`\`${language === "unknown" ? "" : (language ?? "")}\n${text ?? ""}\n\`\`\``;
  if (content_type !== "text" && content_type !== "multimodal_text") return "";
  return (parts ?? []).map(readPart).filter(Boolean).join("\n\n");
}

/** Pictures and sound are left out; what was said aloud is there as text. */
function readPart(part: unknown): string {
  if (typeof part === "string") return part;
  return part instanceof Object && "text" in part && typeof part.text === "string" ? part.text : "";
}
