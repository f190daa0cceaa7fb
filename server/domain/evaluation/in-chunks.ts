/** @file Long lists of ids in several queries, with room for others between them. */
import { setImmediate as letOthersRun } from "node:timers/promises";

const idsAtOnce = 200;

/** The embedded database answers without a turn of the event loop: nobody else would be heard between two parts. */
export async function inChunks(
  ids: readonly string[],
  read: (some: string[]) => Promise<void>,
): Promise<void> {
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    await read(ids.slice(from, from + idsAtOnce));
    await letOthersRun();
  }
}
