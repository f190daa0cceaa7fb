/** @file What the web process does all the time: ends lost leases, tells of what happened, clears what was left, keeps promotions. */
import { sql } from "drizzle-orm";
import { runs } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { sweepDatasets } from "../domain/datasets-make";
import { tidyComparison } from "../domain/live/steer-comparison";
import { deliverMails } from "../domain/mail";
import { notify, sweepNotifications } from "../domain/notifications";
import type { Promoting } from "../domain/promotion/promoting";
import { settleRetiredTasks } from "../domain/promotion/retired-tasks";
import { applyDueRequests, stepRamps, watchChannels } from "../domain/promotion/upkeep";
import { keepAuditHead, readKeptHead } from "../domain/signed-head";
import { deliverDue } from "../domain/webhooks";
import { log } from "../log";
import type { Mailer } from "../mail";
import type { ChatServices } from "../process-state";
import { freeBytes } from "./artifacts";
import { secondsFromNow, sweepLeases } from "./lease";
import { sweepUploads } from "./uploads";

const oftenMs = 2_000;
const watchMs = 15_000;
const signMs = 60_000;
const seldomMs = 10 * 60 * 1000;
/** Below this, admins are told. */
const lowDiskBytes = 1024 ** 3;

export type Upkeep = {
  db: Db;
  dataFolder: string;
  leaseSeconds: number;
  /** Null: no mail server is set. */
  mailer: Mailer | null;
  /** Null: nothing is served here. */
  chat: ChatServices | null;
  precision: Promoting["precision"];
};

/** Until disposed; waits for what it is doing. */
export async function startUpkeep(upkeep: Upkeep): Promise<AsyncDisposable> {
  const { db, dataFolder, leaseSeconds, mailer, chat, precision } = upkeep;
  await grantLeases(db, leaseSeconds);
  // Each by itself: a receiver that does not answer keeps nobody else waiting.
  const rounds = [
    repeat(oftenMs, () => sweepLeases(db)),
    repeat(oftenMs, () => deliverDue(db, new Date(), () => readKeptHead(dataFolder))),
    repeat(oftenMs, () => deliverMails(db, mailer)),
    repeat(signMs, () => keepAuditHead(db, dataFolder)),
    repeat(seldomMs, async () => {
      await sweepUploads(db, dataFolder);
      await sweepDatasets(db);
      await sweepNotifications(db);
      await watchDisk(db, dataFolder);
    }),
    ...(chat
      ? [
          ...keepPromotions({ db, chat, dataFolder, precision }),
          repeat(oftenMs, async () => {
            if (await settleRetiredTasks(db)) chat.sampling.wake();
          }),
        ]
      : []),
  ];
  return {
    async [Symbol.asyncDispose]() {
      await Promise.all(rounds.map((round) => round[Symbol.asyncDispose]()));
    },
  };
}

function keepPromotions(promoting: Promoting): AsyncDisposable[] {
  return [
    repeat(oftenMs, async () => {
      await applyDueRequests(promoting);
      await stepRamps(promoting);
      await tidyComparison(promoting);
    }),
    repeat(watchMs, () => watchChannels(promoting)),
  ];
}

/** While the server was away no worker could be heard: each gets the time of a lease to report again. */
async function grantLeases(db: Db, leaseSeconds: number): Promise<void> {
  await db
    .update(runs)
    .set({ leaseExpiresAt: secondsFromNow(leaseSeconds) })
    .where(sql`${runs.workerId} is not null`);
}

async function watchDisk(db: Db, dataFolder: string): Promise<void> {
  const free = await freeBytes(dataFolder);
  if (free >= lowDiskBytes) return;
  const text = `The disk of the data folder has ${Math.floor(free / 1024 ** 2)} MB free. Checkpoints may not fit: npx attune gc --dry-run says what could go.`;
  await db.transaction((tx) => notify(tx, { kind: "diskLow", runId: null, text }));
}

/** One round after the other, never two at once; a failed one is logged, and the next is tried. */
function repeat(everyMs: number, work: () => Promise<unknown>): AsyncDisposable {
  let isStopped = false;
  let timer: NodeJS.Timeout | undefined;
  const round = async () => {
    await work().catch((err: unknown) => log.error({ err }, "upkeep failed"));
    if (!isStopped) {
      timer = setTimeout(() => {
        running = round();
      }, everyMs).unref();
    }
  };
  let running = round();
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
