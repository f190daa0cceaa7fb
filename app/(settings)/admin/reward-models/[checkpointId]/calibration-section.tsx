/** @file Whether a margin means what it says: predicted probability against how often people agreed. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import type { RewardFigures } from "@/app/_lib/api-types";
import { percent } from "@/app/_lib/describe-share";
import { formatMetric } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { PlainChart } from "./plain-chart";

type CalibrationSectionProps = { figures: RewardFigures; beside: RewardFigures | null };
type Bin = RewardFigures["calibration"]["bins"][number];

export function CalibrationSection({ figures: { calibration }, beside }: CalibrationSectionProps) {
  if (calibration.error === null) return null;
  const { bins } = calibration;
  const xs = bins.map(({ from, to }) => (from + to) / 2);
  const other = beside?.calibration ?? null;
  return (
    <Section
      title="Calibration"
      text={`Of the pairs to which the model gives its favourite so much probability, sigmoid of the margin, in how many people chose it too. On the dashed line a margin means what it says. Expected calibration error ${formatMetric(calibration.error)}, loss ${formatMetric(calibration.loss)}${
        other ? `; ${formatMetric(other.error)} and ${formatMetric(other.loss)} with the other model` : ""
      }.`}
    >
      <PlainChart
        title="People agree"
        unit="share, by the probability the model gives"
        xs={xs}
        columns={[
          xs,
          bins.map(({ observed }) => observed),
          ...(other ? [other.bins.map(({ observed }) => observed)] : []),
        ]}
        lines={[
          { label: "as predicted", colorClass: "text-reference", dash: [6, 4] },
          { label: "this model", colorClass: "text-candidate", isSparse: true },
          ...(other
            ? [{ label: "the other model", colorClass: "text-series-2", isSparse: true, dash: [2, 3] }]
            : []),
        ]}
      />
      <details className="mt-2">
        <summary className="w-fit text-small text-muted hover:text-ink">The numbers of this chart</summary>
        <DataTable
          caption="Calibration"
          columns={columns}
          rows={bins.filter(({ pairs }) => pairs > 0)}
          rowKey={({ from }) => String(from)}
        />
      </details>
    </Section>
  );
}

const columns: Column<Bin>[] = [
  { title: "Probability given", cell: ({ from, to }) => `${percent(from)} to ${percent(to)} %` },
  { title: "On average", isNumber: true, cell: ({ predicted }) => `${percent(predicted ?? 0)} %` },
  { title: "People agree", isNumber: true, cell: ({ observed }) => `${percent(observed ?? 0)} %` },
  { title: "Pairs", isNumber: true, cell: ({ pairs }) => pairs.toLocaleString("en") },
];
