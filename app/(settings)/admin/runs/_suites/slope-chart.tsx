/** @file From base over SFT to the policy: one line a suite, so that what training cost is seen at a glance. */
"use client";

import type { EvaluationView } from "@/app/_lib/api-types";
import { percent, variantTexts } from "./describe-suite";

type Point = { x: number; y: number };
type Slope = { key: string; label: string; points: Point[]; aside: Point | null };

const [width, height] = [640, 260];
const inset = { left: 44, right: 210, top: 16, bottom: 34 };
/** Told apart without colour too. */
const dashes = ["", "6 3", "2 3", "8 3 2 3", "1 4", "10 4"];

/** The table above holds the same numbers. */
export function SlopeChart({ view }: { view: EvaluationView }) {
  const line = [
    ...view.against.filter(({ isForebear }) => isForebear),
    { checkpoint: view.checkpoint, isLive: view.isLive, suites: view.suites },
  ];
  // It did not come from what is live then: a line between the two would tell of training that never was.
  const aside = view.against.find(({ isForebear }) => !isForebear) ?? null;
  const stations = aside ? [...line, aside] : line;
  const x = (at: number) =>
    inset.left + (at * (width - inset.left - inset.right)) / Math.max(1, stations.length - 1);
  const y = (share: number) => inset.top + (1 - share) * (height - inset.top - inset.bottom);
  const pointOf = (
    { suites }: Pick<EvaluationView["against"][number], "suites">,
    { suite, variant }: { suite: string; variant: string },
    at: number,
  ): Point[] => {
    const figure = suites.find((each) => each.suite === suite && each.variant === variant)?.figures[0];
    return figure ? [{ x: x(at), y: y(figure.value) }] : [];
  };
  const slopes = view.suites
    .filter(({ metric }) => metric !== "bitsPerByte")
    .map(
      ({ suite, title, variant }): Slope => ({
        key: `${suite} ${variant}`,
        label: `${title}, ${variantTexts[variant]}`,
        points: line.flatMap((station, at) => pointOf(station, { suite, variant }, at)),
        aside: aside && (pointOf(aside, { suite, variant }, line.length)[0] ?? null),
      }),
    );
  const labels = spread(slopes.map(({ points, aside }) => (aside ?? points.at(-1))?.y ?? 0));
  return (
    <figure className="mt-6 overflow-x-auto">
      <svg viewBox={`0 0 ${width} ${height}`} className="w-full max-w-[46rem] min-w-[32rem]" role="img">
        <title>
          Suites from {line.map(({ checkpoint }) => checkpoint.name).join(" to ")}
          {aside && `, beside ${aside.checkpoint.name}, which is live`}
        </title>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <g key={share}>
            <line
              x1={inset.left}
              x2={width - inset.right}
              y1={y(share)}
              y2={y(share)}
              className="stroke-line"
            />
            <text x={inset.left - 6} y={y(share) + 4} textAnchor="end" className="fill-muted text-[11px]">
              {percent(share).replace(".0", "")}
            </text>
          </g>
        ))}
        {stations.map(({ checkpoint, isLive }, at) => (
          <text
            key={checkpoint.id}
            x={x(at)}
            y={height - 12}
            textAnchor={at === 0 ? "start" : at === stations.length - 1 ? "end" : "middle"}
            className="fill-muted text-[11px]"
          >
            {checkpoint.stage}
            {isLive && (checkpoint.id === aside?.checkpoint.id ? ", live, beside" : ", live")}
          </text>
        ))}
        {slopes.map(({ key, label, points, aside: other }, i) => (
          <g key={key} className="stroke-current text-candidate">
            <polyline
              points={points.map((point) => `${point.x},${point.y}`).join(" ")}
              fill="none"
              strokeWidth={1.5}
              strokeDasharray={dashes[i % dashes.length]}
            />
            {points.map((point) => (
              <circle key={point.x} cx={point.x} cy={point.y} r={2.5} className="fill-current" />
            ))}
            {other && (
              <rect
                x={other.x - 3}
                y={other.y - 3}
                width={6}
                height={6}
                className="fill-canvas stroke-current text-live"
              />
            )}
            <text
              x={width - inset.right + 8}
              y={(labels[i] ?? 0) + 4}
              stroke="none"
              className="fill-fg text-[11px]"
            >
              {label}
            </text>
          </g>
        ))}
      </svg>
      <figcaption className="text-small text-muted">
        Main figure of each suite along the lineage; the table above has the numbers and their intervals.
        {aside &&
          ` Hollow squares are ${aside.checkpoint.name}, which is live and not what this one came from.`}
      </figcaption>
    </figure>
  );
}

const least = 14;

/** Labels that would lie on each other move apart, downwards. */
function spread(places: readonly number[]): number[] {
  const order = [...places.keys()].toSorted((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
  const moved = [...places];
  let before = Number.NEGATIVE_INFINITY;
  for (const i of order) {
    before = Math.max(before + least, places[i] ?? 0);
    moved[i] = before;
  }
  return moved;
}
