/** @file The curves of one run over one axis and one crosshair, incidents as marks, and the samples of the step under it. */
"use client";

import { useEffect, useMemo, useState } from "react";
import { Button } from "@/app/_components/button";
import { formatMetric } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { ChartFigure } from "../_charts/chart-figure";
import { alignLines, mergeCurves } from "../_charts/curve-data";
import { CurvesTable } from "../_charts/curves-table";
import { StepSlider } from "../_charts/step-slider";
import type { Range } from "../_charts/uplot-chart";
import { columnTitle, describeCharts, drawChart } from "./describe-charts";
import { EpisodesSection } from "./episodes-section";
import { ExportLinks } from "./export-links";
import { stackPhases } from "./phase-bars";
import { PhaseStrip, PhaseTable } from "./phase-strip";
import { SamplesPane } from "./samples-pane";
import { ScoreAgainstKl } from "./score-against-kl";
import { placeRow } from "./timeline-rows";
import type { WatchedRun } from "./use-run-watch";
import { useTimeline } from "./use-timeline";
import { useWholeTimeline } from "./use-whole-timeline";

const incidentKinds = ["incident"] as const;
const phaseKinds = ["phase"] as const;
/** The axis shows at least these, so that it counts whole steps. */
const leastSteps = 10;

type Drawn = ReturnType<typeof describeCharts>[number] & ReturnType<typeof drawChart>;

export function RunCurves({ watched }: { watched: WatchedRun }) {
  const { run, metrics, fresh, newRows, rereadMetrics } = watched;
  const [cursorStep, setCursorStep] = useState<number | null>(null);
  const [zoom, setZoom] = useState<Range | null>(null);
  const { curves, isStale } = useMemo(() => mergeCurves(metrics, fresh), [metrics, fresh]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the function changes with every render, its meaning does not
  useEffect(() => {
    if (isStale) rereadMetrics();
  }, [isStale]);
  const incidents = useTimeline({ runId: run.id, kinds: incidentKinds, newRows, limit: 500 }).rows;

  const lastStep = Math.max(0, ...[...curves.values()].map(({ steps }) => steps.at(-1) ?? 0));
  const charts = useMemo(
    () => describeCharts(curves).map((chart) => ({ ...chart, ...drawChart(chart, curves) })),
    [curves],
  );
  const marks = useMemo(() => {
    const loss = curves.get("loss");
    const places = incidents.map((row) => placeRow(row, loss, run.startedAt));
    return [...new Set(places)].flatMap((x) => (x === null ? [] : [{ x, colorClass: "text-danger" }]));
  }, [incidents, curves, run.startedAt]);
  const phases = useWholeTimeline({ runId: run.id, kinds: phaseKinds, newRows });
  const range = useMemo(() => zoom ?? { min: 0, max: Math.max(leastSteps, lastStep) }, [zoom, lastStep]);
  const stepsPerPoint = Math.max(1, metrics?.stepsPerPoint ?? 1);
  const bars = useMemo(
    () =>
      stackPhases({ curves, rows: phases.rows, startedAt: run.startedAt, lastStep, stepsPerPoint, range }),
    [curves, phases.rows, run.startedAt, lastStep, stepsPerPoint, range],
  );
  const table = useMemo(() => {
    const named = charts.flatMap((chart) =>
      chart.names.map((name) => ({ name, title: columnTitle(chart, name) })),
    );
    const lines = named.map(({ name }) => curves.get(name) ?? { steps: [], means: [] });
    const { xs, columns } = alignLines(lines.map(({ steps, means }) => ({ xs: steps, ys: means })));
    return { xs, columns: named.map(({ title }, i) => ({ title, values: columns[i] ?? [] })) };
  }, [charts, curves]);

  if (charts.length === 0) {
    return (
      <Section title="Curves">
        <p className="text-muted">
          Loss, learning rate, speed and memory will be drawn here from the first step on
          {run.status === "queued" ? ", once a worker has taken the run." : "."}
        </p>
      </Section>
    );
  }
  const shared = { marks, range, cursorX: cursorStep, onCursor: setCursorStep, onZoom: setZoom };
  const [major, minor] = [charts.filter(({ isMinor }) => !isMinor), charts.filter(({ isMinor }) => isMinor)];
  const draw = ({ names, title, unit, height, xs, columns, lines, bands }: Drawn, hasXLabels: boolean) => (
    <ChartFigure
      key={names.join()}
      title={title}
      {...(unit && { unit })}
      {...{ xs, columns, lines, bands, height, hasXLabels }}
      {...shared}
    />
  );
  const shownStep = cursorStep === null ? lastStep : Math.round(cursorStep);
  return (
    <Section title="Curves">
      <div className="grid gap-x-8 gap-y-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
        <div className="min-w-0 space-y-3">
          {major.map((chart, i) => draw(chart, !bars && i === major.length - 1))}
          {bars && <PhaseStrip bars={bars} isCut={phases.isCut} {...shared} />}
          <StepSlider
            label="Step"
            min={0}
            max={lastStep}
            stride={stepsPerPoint}
            value={shownStep}
            valueText={formatMetric(shownStep)}
            onChange={setCursorStep}
          />
          <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-small text-muted">
            {marks.length > 0 && (
              <span className="inline-flex items-center gap-1.5">
                <svg aria-hidden="true" width={10} height={9} viewBox="0 0 10 9" className="text-danger">
                  <path d="M5 0l5 9H0z" fill="currentColor" />
                </svg>
                {incidents.length === 1 ? "1 incident" : `${incidents.length} incidents`}, told in the
                timeline
              </span>
            )}
            {zoom ? (
              <Button small look="quiet" onClick={() => setZoom(null)}>
                Show all steps
              </Button>
            ) : (
              <span className="hidden md:inline">Drag over a chart to look closer.</span>
            )}
            <ExportLinks runId={run.id} content="metrics" />
          </div>
          {minor.length > 0 && (
            <details>
              <summary className="w-fit">
                <span className="font-medium">More curves</span>{" "}
                <span className="text-small text-muted">
                  {minor.map(({ title }) => title.toLowerCase()).join(", ")}
                </span>
              </summary>
              <div className="mt-2 space-y-3">
                {minor.map((chart, i) => draw(chart, i === minor.length - 1))}
              </div>
            </details>
          )}
          <CurvesTable caption="Curves" summary="The curves as a table" xTitle="Step" {...table} />
          {bars && <PhaseTable bars={bars} />}
        </div>
        <SamplesPane runId={run.id} newRows={newRows} step={cursorStep === null ? null : shownStep} />
      </div>
      {run.stage === "ppo" && (
        <>
          <ScoreAgainstKl curves={curves} />
          <EpisodesSection runId={run.id} lastStep={lastStep} />
        </>
      )}
    </Section>
  );
}
