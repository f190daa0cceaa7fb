/** @file What the server does about prompts by itself, now and then. */
import type { Db } from "../../db/db";
import { collectPrompts } from "./collect-prompts";
import { sweepUploads } from "./upload-prompts";

/** Bounds the work of one sweep; what is left waits for the next. */
const maxCollections = 5;

/** Takes new prompts from conversations and closes uploads that stopped half-way. @returns how many prompts became ready */
export async function sweepPrompts(db: Db): Promise<number> {
  await sweepUploads(db);
  let ready = 0;
  for (let i = 0; i < maxCollections; i++) {
    const collection = await collectPrompts(db, { actorId: null });
    ready += collection.ready;
    if (!collection.hasMore) break;
  }
  return ready;
}
