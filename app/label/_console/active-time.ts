/** @file How long a labeler was at work: time between signs of life, without idle time and without a hidden page. */

/** After this long without a sign of life the labeler is taken to be idle; the minute itself may have been reading. */
export const idleAfterMs = 60_000;

/** `lastSignAt`: null while the page is hidden or nothing has happened yet. */
export type ActiveTime = { activeMs: number; lastSignAt: number | null };

/** All work of the task so far; a key, a pointer or a scroll at `now` (milliseconds, never going back). */
export function addSign(time: ActiveTime, now: number): ActiveTime {
  return { activeMs: activeMsAt(time, now), lastSignAt: now };
}

/** The page went out of sight: the clock stands until the next sign. */
export function hide(time: ActiveTime, now: number): ActiveTime {
  return { activeMs: activeMsAt(time, now), lastSignAt: null };
}

export function activeMsAt({ activeMs, lastSignAt }: ActiveTime, now: number): number {
  if (lastSignAt === null) return activeMs;
  return activeMs + Math.min(Math.max(0, now - lastSignAt), idleAfterMs);
}

/** 252_000 → "4:12"; "1:04:12" from an hour on. */
export function formatClock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
