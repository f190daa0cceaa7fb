/** @file The scale that all rows of a forest plot share. */

type Span = { share: number; low: number | null; high: number | null };
export type Scale = { from: number; ticks: number[] };

/** From chance, or from the last tenth below the lowest end, to 100 %. */
export function scaleOf(spans: readonly Span[]): Scale {
  const lowest = Math.min(0.5, ...spans.map(({ share, low }) => low ?? share));
  const tenths = Math.floor(lowest * 10 + 1e-9);
  const step = tenths < 4 ? 2 : 1;
  const ticks: number[] = [];
  for (let tenth = 10; tenth >= tenths; tenth -= step) ticks.unshift(tenth / 10);
  return { from: tenths / 10, ticks };
}

/** Where a share stands, as a length for SVG. The ends leave room for half a mark. */
export function placeOn({ from }: Scale, share: number): string {
  return `${(4 + (92 * (share - from)) / (1 - from)).toFixed(2)}%`;
}
