/** @file The reigns on the live channel side by side, each as wide as it was long; the table below says the same. */
import type { PromotionHistoryRow } from "@/app/_lib/api-types";
import { toReigns } from "./reigns";

const height = 28;
const width = 1000;

export function HistoryStrip({ rows, liveId }: { rows: PromotionHistoryRow[]; liveId: string | null }) {
  const reigns = toReigns(rows, new Date());
  if (reigns.length < 2) return null;
  return (
    <svg
      aria-hidden="true"
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      className="mb-4 h-7 w-full"
    >
      {reigns.map(({ id, checkpointId, name, from, to }) => (
        <rect
          key={id}
          x={from * width}
          y={checkpointId === liveId ? 0 : height / 3}
          width={Math.max((to - from) * width - 2, 1)}
          height={checkpointId === liveId ? height : (height * 2) / 3}
          fill={checkpointId === liveId ? "var(--color-live)" : "var(--color-reference)"}
          opacity={checkpointId === liveId ? 1 : 0.55}
        >
          <title>{name}</title>
        </rect>
      ))}
    </svg>
  );
}
