/** @file The curves that a guard rail's sentence speaks of, from the first step to the pause. */
"use client";

import { useState } from "react";
import { ChartFigure } from "../_charts/chart-figure";
import type { Curves } from "../_charts/curve-data";
import { describeCharts, drawChart } from "./describe-charts";

/** What each rule compares; see model/train/ppo/guard-rails.ts. */
const metricsOf: Record<string, string[]> = {
  klBudget: ["klK3"],
  entropyFloor: ["entropy"],
  lengthDrift: ["responseTokens"],
  endedFloor: ["endedShare"],
  repetition: ["repetition"],
  firstRatio: ["firstRatioGap"],
  samplerGap: ["samplerGapMax"],
  flatJudge: ["score", "part.judge"],
};

/** The axis shows at least these, so that it counts whole steps. */
const leastSteps = 10;

export function GuardEvidence({ rule, curves }: { rule: string; curves: Curves }) {
  const [cursorX, setCursorX] = useState<number | null>(null);
  const names = metricsOf[rule] ?? [];
  const charts = describeCharts(curves).filter((chart) => chart.names.some((name) => names.includes(name)));
  const lastStep = (name: string) => curves.get(name)?.steps.at(-1) ?? 0;
  return charts.map((chart) => (
    <ChartFigure
      key={chart.title}
      title={chart.title}
      {...(chart.unit && { unit: chart.unit })}
      {...drawChart(chart, curves)}
      height={110}
      range={{ min: 0, max: Math.max(leastSteps, ...charts.flatMap(({ names: of }) => of.map(lastStep))) }}
      hasXLabels
      cursorX={cursorX}
      onCursor={setCursorX}
      onZoom={() => {}}
    />
  ));
}
