/** @file The four fixed meanings as badges: each has its colour, its shape and its word, the same on every page. */
import { classNames } from "./class-names";

export type Meaning = "live" | "candidate" | "reference" | "people";

const meanings: Record<Meaning, { className: string; shape: string }> = {
  live: { className: "text-live", shape: "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1" }, // disc
  candidate: { className: "text-candidate", shape: "M6 0l6 6-6 6-6-6z" }, // diamond
  reference: { className: "text-reference", shape: "M1 1h10v10H1z" }, // square
  people: { className: "text-people", shape: "M6 1l5.5 10H.5z" }, // triangle
};

export function MeaningBadge({ meaning, children }: { meaning: Meaning; children: string }) {
  const { className, shape } = meanings[meaning];
  return (
    <span className={classNames("inline-flex items-center gap-1.5 text-small font-medium", className)}>
      <svg aria-hidden="true" width={9} height={9} viewBox="0 0 12 12" fill="currentColor">
        <path d={shape} />
      </svg>
      {children}
    </span>
  );
}
