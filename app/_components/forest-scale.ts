/** @file The scale that all rows of a forest plot share. */

type Span = { share: number; low: number | null; high: number | null };
export type Scale = { from: number; to: number; ticks: number[] };

/** From chance, or from the last tenth below the lowest end, to 100 %. */
export function scaleOf(spans: readonly Span[]): Scale {
  const lowest = Math.min(0.5, ...spans.map(({ share, low }) => low ?? share));
  const tenths = Math.floor(lowest * 10 + 1e-9);
  const step = tenths < 4 ? 2 : 1;
  const ticks: number[] = [];
  for (let tenth = 10; tenth >= tenths; tenth -= step) ticks.unshift(tenth / 10);
  return { from: tenths / 10, to: 1, ticks };
}

/** Where a share stands, as a length for SVG. The ends leave room for half a mark. */
export function placeOn({ from, to }: Scale, value: number): string {
  return `${(4 + (92 * (value - from)) / (to - from)).toFixed(2)}%`;
}

/** From none to the least round share above all of them: for rates that are small. */
export function rateScale(spans: readonly Span[]): Scale {
  const highest = Math.max(0.01, ...spans.map(({ share, high }) => high ?? share));
  const step = [0.01, 0.02, 0.05, 0.1, 0.2].find((each) => each * 5 >= highest) ?? 0.2;
  const count = Math.ceil(highest / step - 1e-9);
  return { from: 0, to: count * step, ticks: Array.from({ length: count + 1 }, (_, i) => i * step) };
}

/** Likert 1 to 7, whole. */
export const ratingScale: Scale = { from: 1, to: 7, ticks: [1, 2, 3, 4, 5, 6, 7] };
