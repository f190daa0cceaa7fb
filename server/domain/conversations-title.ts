/** @file Titles that nobody had to write: first the question's beginning, then the live policy's own words if they are any good. */
import { and, eq } from "drizzle-orm";
import { conversations } from "@/drizzle/schema";
import type { ChatMessage, Sampling } from "@/model/runtime/types";
import type { Db } from "../db/db";
import type { ChatServices } from "../process-state";
import { liveChannel } from "./channels";
import { storableText } from "./message-text";

const longestTitle = 60;
const longestExcerpt = 600;
const sampling: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1.1,
  maxTokens: 16,
  stop: ["\n"],
  seed: 0,
};

/** The question's first line, cut at a word. */
export function fallbackTitle(question: string): string {
  const line = question.trim().split("\n")[0]?.replace(/\s+/gu, " ").trim() ?? "";
  if (line.length <= longestTitle) return line;
  const cut = line.slice(0, longestTitle);
  const lastSpace = cut.lastIndexOf(" ");
  return `${(lastSpace > longestTitle / 2 ? cut.slice(0, lastSpace) : cut).trimEnd()}…`;
}

/**
 * Asks the live policy for a title, behind all chats; keeps the present one when the person has renamed it meanwhile or
 * when what comes is no title. Never throws: a title is not worth an error.
 */
export async function titleConversation(
  db: Db,
  chat: ChatServices,
  { conversationId, userId, turns }: { conversationId: string; userId: string; turns: ChatMessage[] },
): Promise<void> {
  try {
    const question = turns.find(({ role }) => role === "user")?.content ?? "";
    const title = readTitle(await generateTitle(chat, userId, question));
    if (title === null) return;
    const named = await db
      .update(conversations)
      .set({ title })
      .where(and(eq(conversations.id, conversationId), eq(conversations.titledByUser, false)))
      .returning({ id: conversations.id });
    if (named.length > 0) chat.changes.publish(userId, { conversationId, kind: "changed" });
  } catch (error) {
    chat.log.debug({ err: error, conversationId }, "no automatic title");
  }
}

/** Small policies follow examples better than instructions. */
const examples: ChatMessage[] = [
  { role: "system", content: "You name the topic of a message in two to six words." },
  { role: "user", content: "How can I get my dog to stop barking at night?" },
  { role: "assistant", content: "Dog Barking at Night" },
  { role: "user", content: "hello there" },
  { role: "assistant", content: "Greeting" },
  { role: "user", content: "write me a short poem on the sea" },
  { role: "assistant", content: "Poem About the Sea" },
];

/** @returns empty text when the policy did not come to an end: half a sentence is no title */
async function generateTitle(chat: ChatServices, userId: string, question: string): Promise<string> {
  const { events } = chat.generation.generate(
    { channel: liveChannel },
    {
      messages: [...examples, { role: "user", content: question.slice(0, longestExcerpt) }],
      sampling,
      priority: "background",
    },
    { place: chat.generation.admit(userId) },
  );
  let text = "";
  for await (const event of events) {
    if (event.type === "token" || event.type === "finished") text += event.text;
    if (event.type === "finished" && event.reason !== "stop") return "";
  }
  return text;
}

/** A title out of what a small policy says; null when it is none. */
export function readTitle(text: string): string | null {
  const title = storableText(text)
    .split("\n")[0]
    ?.replace(/^\s*(title|conversation)\s*:/iu, "")
    .replace(/^[\s"'“”‘’*#`.-]+|[\s"'“”‘’*`.:;,-]+$/gu, "")
    .replace(/\s+/gu, " ");
  if (!title || title.length > longestTitle || title.split(" ").length > 9) return null;
  const isRefusal = /^(i('m| am| can| cannot|'ll)|sorry|as an|sure|hello|hi|here('s| is)|to)\b/iu.test(title);
  return isRefusal || !/\p{Letter}/u.test(title) ? null : title;
}
