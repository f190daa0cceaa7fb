/** @file Where scores lie: of all responses, of those people ranked first, and of those they ranked last. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import type { RewardReport } from "@/app/_lib/api-types";
import { formatMetric } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { CurvesTable } from "../../runs/_charts/curves-table";
import type { Line } from "../../runs/_charts/uplot-chart";
import { PlainChart } from "./plain-chart";

type Group = RewardReport["distributions"]["groups"][number];
type Row = Pick<Group, "summary"> & { name: string };
type ScoresSectionProps = { report: RewardReport; beside: RewardReport | null };

const names: Record<Group["name"], string> = {
  all: "all responses",
  best: "ranked first",
  worst: "ranked last",
};
const looks: Record<Group["name"], Omit<Line, "label">> = {
  all: { colorClass: "text-reference", isBar: true },
  best: { colorClass: "text-people" },
  worst: { colorClass: "text-candidate", dash: [5, 3] },
};

export function ScoresSection({ report: { distributions }, beside }: ScoresSectionProps) {
  const { edges, groups } = distributions;
  if (edges.length < 2) return null;
  const xs = edges.slice(1).map((edge, at) => (edge + (edges[at] ?? edge)) / 2);
  const rows: Row[] = [
    ...groups.map(({ name, summary }) => ({ name: names[name], summary })),
    ...(beside?.distributions.groups ?? []).map(({ name, summary }) => ({
      name: `${names[name]}, the other model`,
      summary,
    })),
  ];
  return (
    <Section
      title="Scores"
      text="0 is what reference responses score on average. The further the responses ranked first stand from those ranked last, the better they are told apart."
    >
      <PlainChart
        title="Responses"
        unit="count, by score"
        xs={xs}
        columns={groups.map(({ counts }) => counts)}
        lines={groups.map(({ name }) => ({ label: names[name], ...looks[name] }))}
      />
      <CurvesTable
        caption="Responses by score"
        summary="The numbers of this chart"
        xTitle="Score, middle of the bin"
        xs={xs}
        columns={groups.map(({ name, counts }) => ({ title: names[name], values: counts }))}
      />
      <div className="mt-4">
        <DataTable caption="Scores" columns={columns} rows={rows} rowKey={({ name }) => name} />
      </div>
    </Section>
  );
}

const columns: Column<Row>[] = [
  { title: "Responses", cell: ({ name }) => name },
  { title: "Count", isNumber: true, cell: ({ summary }) => summary?.count.toLocaleString("en") ?? "–" },
  { title: "Mean", isNumber: true, cell: ({ summary }) => formatMetric(summary?.mean) },
  { title: "Std", isNumber: true, cell: ({ summary }) => formatMetric(summary?.std) },
  { title: "5 %", isNumber: true, cell: ({ summary }) => formatMetric(summary?.quantiles[0]) },
  { title: "Median", isNumber: true, cell: ({ summary }) => formatMetric(summary?.quantiles[2]) },
  { title: "95 %", isNumber: true, cell: ({ summary }) => formatMetric(summary?.quantiles[4]) },
];
