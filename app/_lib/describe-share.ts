/** @file A share in words: never without its interval, where there is one. */

type Shared = { share: number; low: number | null; high: number | null };

/** 0.726 → "72.6". */
export const percent = (share: number): string => (100 * share).toFixed(1);

/** "72.6 % [70.1, 75.0]", or without the brackets where there is too little for an interval. */
export function describeShare({ share, low, high }: Shared): string {
  const interval = low === null || high === null ? "" : ` [${percent(low)}, ${percent(high)}]`;
  return `${percent(share)} %${interval}`;
}
