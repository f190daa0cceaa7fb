/** @file The chat services of this process, for routers and API routes. */
import { AppError } from "../errors";
import { type ChatServices, processState } from "../process-state";

/** @throws {AppError} UNAVAILABLE in a process that serves no chat, or before it does */
export function chatServices(): ChatServices {
  const { chat } = processState();
  if (!chat) throw new AppError("UNAVAILABLE", "The server is starting. Try again in a few seconds.");
  return chat;
}
