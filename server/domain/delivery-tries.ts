/** @file When what could not be delivered is tried again, and when it is given up: the same for webhooks and mail. */

/** Wait after each failed try; after the last it is given up. About two days in all. */
const waitsSeconds = [10, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 15 * 3600, 24 * 3600];

export type DeliveryStatus = "pending" | "delivered" | "failed";

/**
 * What a delivery is after a try.
 * @param attempts tries so far, this one included; @param error null: it was taken
 */
export function afterTry({ attempts, error, now }: { attempts: number; error: string | null; now: Date }): {
  status: DeliveryStatus;
  error: string | null;
  deliveredAt: Date | null;
  dueAt: Date;
} {
  if (error === null) return { status: "delivered", error, deliveredAt: now, dueAt: now };
  const waitSeconds = waitsSeconds[attempts - 1];
  return {
    status: waitSeconds === undefined ? "failed" : "pending",
    error,
    deliveredAt: null,
    dueAt: new Date(now.getTime() + (waitSeconds ?? 0) * 1000),
  };
}
