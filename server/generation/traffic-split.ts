/** @file Which channel answers a conversation: a share of those that ask for `live` goes to others, each always to the same. */
import { createHash } from "node:crypto";

/** Where people are when they name nothing. */
export const liveChannel = "live";

export type ChannelTarget = {
  checkpointId: string;
  /** Percent of the conversations that ask for `live`. */
  trafficShare: number;
};

/**
 * By hash, so a conversation stays where it is, and those that are in stay in when the share grows. The checkpoint is hashed
 * along: the next canary meets other conversations.
 */
export function chooseChannel(
  channels: ReadonlyMap<string, ChannelTarget>,
  asked: string,
  conversation: string,
): string {
  if (asked !== liveChannel) return asked;
  let left = 100;
  for (const [name, { checkpointId, trafficShare }] of [...channels].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (trafficShare <= 0) continue;
    // Of what the channels before have left.
    if (placeOf(`${checkpointId} ${conversation}`) * left < trafficShare) return name;
    left -= trafficShare;
  }
  return liveChannel;
}

/** A number in [0, 1) that looks drawn and never changes. */
function placeOf(text: string): number {
  return createHash("sha256").update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}
