/** @file The history of the live channel as spans. Knows no page. */

type Row = {
  id: number;
  channel: string;
  checkpoint: { id: string; name: string };
  at: Date | string;
};

export type Reign = { id: number; checkpointId: string; name: string; from: number; to: number };

/** The least part of the strip that a reign takes, so that one of a minute among months is seen. */
const leastPart = 0.02;

/** Oldest first; `from` and `to` are parts of the whole strip, 0..1. @param rows newest first */
export function toReigns(rows: readonly Row[], now: Date): Reign[] {
  const live = rows.filter(({ channel }) => channel === "live").reverse();
  const starts = live.map(({ at }) => new Date(at).getTime());
  const spans = starts.map((start, i) => Math.max(0, (starts[i + 1] ?? now.getTime()) - start));
  const total = Math.max(
    1,
    spans.reduce((sum, span) => sum + span, 0),
  );
  const parts = spans.map((span) => Math.max(span / total, leastPart));
  const whole = parts.reduce((sum, part) => sum + part, 0);
  let from = 0;
  return live.map(({ id, checkpoint }, i) => {
    const to = from + (parts[i] ?? 0) / whole;
    const reign = { id, checkpointId: checkpoint.id, name: checkpoint.name, from, to };
    from = to;
    return reign;
  });
}
