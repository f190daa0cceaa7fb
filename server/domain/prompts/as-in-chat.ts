/** @file A conversation as chat would answer it. */
import type { ChatMessage } from "@/model/runtime/types";
import type { Db } from "../../db/db";
import { readSetting } from "../settings";

/** A conversation without a system prompt of its own has the server's there, and policies are judged as people meet them. */
export async function asInChat(db: Db, messages: ChatMessage[]): Promise<ChatMessage[]> {
  const content = await readSetting(db, "defaultSystemPrompt");
  if (content === "" || messages[0]?.role === "system") return messages;
  return [{ role: "system", content }, ...messages];
}
