/** @file Kinds of notifications in words. */
import type { Webhook } from "@/app/_lib/api-types";

export type Kind = Webhook["events"][number];

export const kindNames: Record<Kind, string> = {
  runFinished: "Run finished",
  runFailed: "Run failed",
  runPaused: "Run paused",
  workerLost: "Worker lost",
  diskLow: "Disk low",
  promotionRequested: "Promotion requested",
  promoted: "Promoted",
  rolledBack: "Rolled back",
  promotionsFrozen: "Promotions frozen",
};

export const allKinds = Object.keys(kindNames) as Kind[];
