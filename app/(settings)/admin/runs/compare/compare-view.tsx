/** @file Runs side by side: curves laid over each other by step, time or tokens, and the settings in which they differ. */
"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { useMemo, useState } from "react";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { Switch } from "@/app/_components/switch";
import type { RunDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatMetric } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../../_frame/section";
import { ChartFigure } from "../_charts/chart-figure";
import { type Axis, axes, mergeCurves } from "../_charts/curve-data";
import { CurvesTable } from "../_charts/curves-table";
import { StepSlider } from "../_charts/step-slider";
import type { Range } from "../_charts/uplot-chart";
import { isUnderWay } from "../run-status";
import { ComparedRuns } from "./compared-runs";
import { ConfigDifferences } from "./config-differences";
import { groupRuns, overlay } from "./overlay";

const axisTitles: Record<Axis, string> = {
  step: "Step",
  time: "Hours since start",
  tokens: "Million tokens",
};
const none = new Map();

export function CompareView({ initialRuns }: { initialRuns: RunDetail[] }) {
  const trpc = useTRPC();
  const [axis, setAxis] = useState<Axis>("step");
  const [cursorX, setCursorX] = useState<number | null>(null);
  const [zoom, setZoom] = useState<Range | null>(null);
  const [together, setTogether] = useState(true);
  const groups = useMemo(() => groupRuns(initialRuns, together), [initialRuns, together]);
  const hasSeeds = groupRuns(initialRuns, true).length < initialRuns.length;
  const runIds = initialRuns.map(({ id }) => id);
  const isLive = initialRuns.some(({ status }) => isUnderWay(status));
  const { data, error } = useQuery(
    trpc.runs.metrics.queryOptions(
      { runIds, points: 500 },
      { refetchInterval: isLive ? 5_000 : false, placeholderData: (previous) => previous },
    ),
  );
  const charts = useMemo(() => {
    const byRun = new Map((data ?? []).map((metrics) => [metrics.runId, mergeCurves(metrics, none).curves]));
    const drawn = groups.map(({ label, runIds: ids }) => ({
      label,
      members: ids.map((id) => byRun.get(id) ?? new Map()),
    }));
    return overlay(drawn, axis);
  }, [data, groups, axis]);
  const last = Math.max(0, ...charts.map(({ xs }) => xs.at(-1) ?? 0));
  const [first] = charts;

  return (
    <>
      <nav aria-label="Way back">
        <Link href="/admin/runs" className="text-small text-muted underline-offset-2 hover:underline">
          Runs
        </Link>
      </nav>
      <PageTitle>Compare runs</PageTitle>
      <ComparedRuns runs={initialRuns} groups={groups} />
      <Section title="Curves">
        <div className="mb-4 grid max-w-2xl items-end gap-x-6 gap-y-3 sm:grid-cols-2">
          <SelectField
            label="Laid over each other by"
            value={axis}
            onChange={({ target }) => {
              setAxis(axes.find((one) => one === target.value) ?? "step");
              setCursorX(null);
              setZoom(null);
            }}
          >
            {axes.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </SelectField>
          {hasSeeds && (
            <Switch
              label="Seeds as one line"
              hint="Their median, with a band from the lowest to the highest of those that have come so far."
              checked={together}
              onChange={setTogether}
            />
          )}
        </div>
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {!data && !error && <Pulse>Reading the curves…</Pulse>}
        {data && charts.length === 0 && <p className="text-muted">None of them has a curve yet.</p>}
        <div className="space-y-4">
          {charts.map((chart, i) => (
            <ChartFigure
              key={chart.title}
              {...chart}
              height={i === 0 ? 240 : 160}
              range={zoom ?? { min: 0, max: last }}
              hasXLabels
              cursorX={cursorX}
              onCursor={setCursorX}
              onZoom={setZoom}
            />
          ))}
          {first && (
            <>
              <StepSlider
                label={axisTitles[axis]}
                min={0}
                max={last}
                stride={axis === "step" ? 1 : last / 500 || 1}
                value={cursorX ?? last}
                valueText={formatMetric(cursorX ?? last)}
                onChange={setCursorX}
              />
              <details>
                <summary className="w-fit text-small text-muted hover:text-ink">The curves as tables</summary>
                {charts.map(({ title, xs, lines, columns }) => (
                  <CurvesTable
                    key={title}
                    caption={title}
                    summary={title}
                    xTitle={axisTitles[axis]}
                    xs={xs}
                    columns={lines.map(({ label }, i) => ({ title: label, values: columns[i] ?? [] }))}
                  />
                ))}
              </details>
            </>
          )}
        </div>
      </Section>
      <Section title="Settings in which they differ">
        <ConfigDifferences runs={initialRuns} />
      </Section>
    </>
  );
}
