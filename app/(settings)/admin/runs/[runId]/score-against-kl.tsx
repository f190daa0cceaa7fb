/** @file Score against the square root of the KL, step after step: whether more of the one still comes with more of the other. */
"use client";

import { formatMetric } from "@/app/_lib/format";
import type { Curve, Curves } from "../_charts/curve-data";
import { CurvesTable } from "../_charts/curves-table";
import { bestOfPoints, placePath, pointsOf } from "./kl-points";

const [width, height] = [640, 260];
const edge = { left: 52, right: 12, top: 10, bottom: 34 };

export function ScoreAgainstKl({ curves }: { curves: Curves }) {
  const training = pointsOf(curves.get("klK3"), curves.get("score"));
  const heldOut = pointsOf(curves.get("heldOutKl"), curves.get("heldOutScore"));
  if (training.length < 2) return null;
  const bestOf = bestOfPoints(curves);
  const space = placePath([...training, ...heldOut, ...bestOf], { width, height, edge });
  const path = space.place(training);
  const others = space.place(heldOut);
  const baseline = space.place(bestOf);
  return (
    <figure className="mt-8 max-w-[40rem]">
      <figcaption className="flex flex-wrap items-baseline gap-x-4 text-small">
        <span className="font-medium">
          Score against √KL <span className="font-normal text-muted">(a line from step to step)</span>
        </span>
        <span className="inline-flex items-center gap-1.5 text-muted">
          <svg aria-hidden="true" width={18} height={8} className="text-series-1">
            <path d="M0 4h18" stroke="currentColor" strokeWidth={1.5} />
            <circle cx={9} cy={4} r={2.5} fill="currentColor" />
          </svg>
          training prompts
        </span>
        {others.length > 0 && (
          <span className="inline-flex items-center gap-1.5 text-muted">
            <svg aria-hidden="true" width={10} height={10} className="text-series-2">
              <path d="M5 0l5 5-5 5-5-5z" fill="currentColor" />
            </svg>
            held-out prompts
          </span>
        )}
        {baseline.length > 0 && (
          <span className="inline-flex items-center gap-1.5 text-muted">
            <svg aria-hidden="true" width={18} height={8} className="text-series-3">
              <path d="M0 4h18" stroke="currentColor" strokeWidth={1.5} strokeDasharray="4 3" />
              <rect x={6} y={1} width={6} height={6} fill="currentColor" />
            </svg>
            reference, best of {bestOf.map(({ n }) => n).join(", ")}
          </span>
        )}
      </figcaption>
      <svg
        role="img"
        aria-label={describe(training)}
        viewBox={`0 0 ${width} ${height}`}
        className="mt-1 w-full text-muted"
      >
        <Axes {...space} />
        <g className="text-series-3">
          <path
            d={toPath(baseline)}
            fill="none"
            stroke="currentColor"
            strokeWidth={1.2}
            strokeDasharray="4 3"
          />
          {baseline.map(({ x, y, n }) => (
            <rect key={n} x={x - 3} y={y - 3} width={6} height={6} fill="currentColor">
              <title>{`Best of ${n}`}</title>
            </rect>
          ))}
        </g>
        <g className="text-series-1">
          <path d={toPath(path)} fill="none" stroke="currentColor" strokeWidth={1.2} opacity={0.7} />
          {path.map(({ x, y, step }, i) => (
            <circle key={step} cx={x} cy={y} r={i === path.length - 1 ? 4 : 2} fill="currentColor" />
          ))}
        </g>
        <g className="text-series-2">
          {others.map(({ x, y, step }) => (
            <path key={step} d={`M${x} ${y - 5}l5 5-5 5-5-5z`} fill="currentColor" />
          ))}
        </g>
      </svg>
      <p className="text-small text-muted">
        The large point is the newest. A score that rises while held-out prompts stay flat is bought with
        weaknesses of the reward model.
        {baseline.length > 0 &&
          " Best of n is what comes of answering n times and keeping what scores highest, without any training; held-out prompts should lie above it."}
      </p>
      <CurvesTable
        caption="Score against KL"
        summary="The points as a table"
        xTitle="Step"
        xs={training.map(({ step }) => step)}
        columns={[
          { title: "√KL", values: training.map(({ root }) => root) },
          { title: "Score", values: training.map(({ score }) => score) },
          {
            title: "Held-out score",
            values: training.map(({ step }) => scoreAt(curves.get("heldOutScore"), step)),
          },
        ]}
      />
      {bestOf.length > 0 && (
        <CurvesTable
          caption="Best of n responses of the reference"
          summary="Best of n as a table"
          xTitle="n"
          xs={bestOf.map(({ n }) => n)}
          columns={[
            { title: "√KL, at most", values: bestOf.map(({ root }) => root) },
            { title: "Score", values: bestOf.map(({ score }) => score) },
          ]}
        />
      )}
    </figure>
  );
}

type Ticks = Pick<ReturnType<typeof placePath>, "xTicks" | "yTicks">;

function Axes({ xTicks, yTicks }: Ticks) {
  const [right, bottom] = [width - edge.right, height - edge.bottom];
  return (
    <g fontSize={12} fill="currentColor">
      {yTicks.map(({ at, value }) => (
        <g key={value}>
          <path d={`M${edge.left} ${at}H${right}`} className="stroke-line" />
          <text x={edge.left - 6} y={at + 4} textAnchor="end">
            {formatMetric(value)}
          </text>
        </g>
      ))}
      {xTicks.map(({ at, value }) => (
        <text key={value} x={at} y={bottom + 15} textAnchor="middle">
          {formatMetric(value)}
        </text>
      ))}
      <text x={(edge.left + right) / 2} y={height - 4} textAnchor="middle">
        √ of nats a response (k3)
      </text>
    </g>
  );
}

const toPath = (points: readonly { x: number; y: number }[]) =>
  points.map(({ x, y }, i) => `${i ? "L" : "M"}${x} ${y}`).join("");

function scoreAt(curve: Curve | undefined, step: number): number | null {
  const at = curve?.steps.indexOf(step) ?? -1;
  return curve?.means[at] ?? null;
}

function describe(points: ReturnType<typeof pointsOf>): string {
  const [first, last] = [points[0], points.at(-1)];
  return `Score against the square root of KL: from ${formatMetric(first?.score)} at ${formatMetric(first?.root)} to ${formatMetric(last?.score)} at ${formatMetric(last?.root)}. The table below has every point.`;
}
