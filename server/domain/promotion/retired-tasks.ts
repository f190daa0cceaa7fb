/** @file Ranking tasks that nobody has begun and whose answers are all of policies that people do not talk to any more. */
import { sql } from "drizzle-orm";
import {
  channels,
  promotions,
  rankings,
  rankingTasks,
  responses,
  taskClaims,
  taskResponses,
} from "@/drizzle/schema";
import type { Tx } from "../../db/db";
import { liveChannel } from "../../generation/traffic-split";
import { excludeTasks } from "../labeling/exclude-tasks";
import { findChannel, settingsOf } from "./promoting";

export const retiredReason = "Its responses are of policies that are not live any more.";

/** Where the live channel's setting says so. @param promotedId is about to be live, and so not retired */
export async function closeRetiredTasks(tx: Tx, { promotedId }: { promotedId: string }): Promise<void> {
  const { retiredTasks } = settingsOf(await findChannel(tx, liveChannel));
  if (retiredTasks === "keep") return;
  const isOfRetired = sql`(
    ${responses.checkpointId} in (select ${promotions.checkpointId} from ${promotions})
    and ${responses.checkpointId} <> ${promotedId}
    and ${responses.checkpointId} not in (
      select ${channels.checkpointId} from ${channels} where ${channels.name} <> ${liveChannel}
    )
  )`;
  const ofTask = sql`from ${taskResponses} join ${responses} on ${responses.id} = ${taskResponses.responseId}
    where ${taskResponses.taskId} = ${rankingTasks.id}`;
  await excludeTasks(
    tx,
    sql`${rankingTasks.status} = 'open' and not ${rankingTasks.isGold} and ${rankingTasks.repeatOfId} is null
      and not exists (select 1 from ${rankings} where ${rankings.taskId} = ${rankingTasks.id})
      and not exists (select 1 from ${taskClaims} where ${taskClaims.taskId} = ${rankingTasks.id})
      and exists (select 1 ${ofTask}) and not exists (select 1 ${ofTask} and ${isOfRetired} is not true)`,
    retiredReason,
  );
}
