/** @file What happened to a channel, in words. */
import type { PromotionHistoryRow } from "@/app/_lib/api-types";

export const kindWords: Record<PromotionHistoryRow["kind"], string> = {
  started: "live at the start",
  pointed: "set from the command line",
  promotion: "promoted",
  rollback: "rolled back to",
  autoReturn: "returned to by itself",
  canary: "begun",
  ramp: "share changed",
  canaryEnded: "ended",
};
