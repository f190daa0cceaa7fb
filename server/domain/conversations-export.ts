/** @file A conversation as a file to keep: Markdown for people, JSON for programs. */
import type { Db } from "../db/db";
import { type Conversation, readConversationTree } from "./conversations";
import type { Message } from "./messages";

export type ConversationFile = { fileName: string; contentType: string; content: string };

/** Markdown holds the branch on screen; JSON the whole tree with checkpoints and feedback. */
export async function exportConversation(
  db: Db,
  { format, ...key }: { conversationId: string; userId: string; format: "markdown" | "json" },
): Promise<ConversationFile> {
  const { conversation, messages } = await readConversationTree(db, key);
  const name = fileNameOf(conversation);
  return format === "markdown"
    ? {
        fileName: `${name}.md`,
        contentType: "text/markdown; charset=utf-8",
        content: toMarkdown(conversation, messages),
      }
    : {
        fileName: `${name}.json`,
        contentType: "application/json",
        content: `${JSON.stringify({ format: "attune.conversation/1", conversation, messages }, null, 2)}\n`,
      };
}

function toMarkdown(conversation: Conversation, messages: Message[]): string {
  const byId = new Map(messages.map((message) => [message.id, message]));
  const branch: Message[] = [];
  for (let id = conversation.activeLeafId; id !== null; ) {
    const message = byId.get(id);
    if (!message) break;
    branch.unshift(message);
    id = message.parentId;
  }
  const parts = branch.map((message) => {
    const who = message.role === "user" ? "You" : (message.checkpoint?.name ?? "Assistant");
    const mark = cutMarks[message.status] ?? "";
    return `## ${who}\n\n${message.content}${mark && `\n\n*${mark}*`}`;
  });
  const head = [`# ${conversation.title || "Conversation"}`, `*${conversation.createdAt.toISOString()}*`];
  if (conversation.systemPrompt) head.push(`> ${conversation.systemPrompt.replaceAll("\n", "\n> ")}`);
  return `${[...head, ...parts].join("\n\n")}\n`;
}

const cutMarks: Partial<Record<Message["status"], string>> = {
  length: "cut by the token limit",
  stopped: "stopped",
  interrupted: "interrupted",
  failed: "failed",
};

function fileNameOf({ title, createdAt }: Conversation): string {
  const words = title
    .normalize("NFKD")
    .replace(/[^\p{Letter}\p{Number}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 60);
  return `${createdAt.toISOString().slice(0, 10)}-${words || "conversation"}`;
}
