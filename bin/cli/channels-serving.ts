/** @file Whether a channel serves a checkpoint, asked of the database without a running server. */
import { describeUse } from "@/server/domain/channels";
import { withDatabase } from "./with-database";

/** Why the checkpoint must stay ("channel live serves it"), or null. */
export const channelsServing = (checkpointId: string): Promise<string | null> =>
  withDatabase("attune models remove", ({ db }) => describeUse(db, checkpointId));
