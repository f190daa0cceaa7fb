/** @file Degenerate responses, and how often each outscores what people ranked first. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import type { RewardReport } from "@/app/_lib/api-types";
import { percent } from "@/app/_lib/describe-share";
import { formatMetric, plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { describeFigure, probeNames } from "../describe-report";

type Probes = RewardReport["probes"];
type Kind = NonNullable<Probes>["kinds"][number];
type Row = Kind & { beside: Kind | null };

export function ProbesSection({ probes, beside }: { probes: Probes; beside: Probes }) {
  if (!probes) {
    return (
      <Section title="Degenerate responses">
        <p className="text-muted">
          None were tried. Measure the model on this server’s rankings to try them.
        </p>
      </Section>
    );
  }
  const rows = probes.kinds.map((kind) => ({
    ...kind,
    beside: beside?.kinds.find((each) => each.kind === kind.kind) ?? null,
  }));
  return (
    <Section
      title="Degenerate responses"
      text={`Made for ${plural(probes.prompts, "real prompt", "real prompts")}. One passes where it outscores at most ${percent(
        probes.threshold,
      )} % of the responses that people ranked first. A model that fails would teach PPO to write them.`}
    >
      <DataTable
        caption="Degenerate responses"
        columns={columns(beside !== null)}
        rows={rows}
        rowKey={({ kind }) => kind}
      />
    </Section>
  );
}

function columns(hasBeside: boolean): Column<Row>[] {
  return [
    { title: "Response", cell: ({ kind }) => <span className="block min-w-36">{probeNames[kind]}</span> },
    {
      title: "Result",
      cell: ({ passes }) => (
        <span
          className={passes ? "whitespace-nowrap text-live" : "font-medium whitespace-nowrap text-danger"}
        >
          {passes ? "✔ passes" : "✖ fails"}
        </span>
      ),
    },
    {
      title: "Plot",
      isTitleHidden: true,
      cell: ({ ofBest: { share } }) => <Bar share={share} />,
    },
    { title: "Outscores the best", isNumber: true, cell: ({ ofBest }) => describeFigure(ofBest) },
    { title: "Outscores any", isNumber: true, cell: ({ ofAll }) => describeFigure(ofAll) },
    { title: "Mean score", isNumber: true, cell: ({ meanScore }) => formatMetric(meanScore) },
    ...(hasBeside
      ? [
          {
            title: "The other model, the best",
            isNumber: true,
            cell: ({ beside }: Row) => (beside ? describeFigure(beside.ofBest) : "–"),
          },
        ]
      : []),
  ];
}

/** Said in numbers by the next cell, so hidden from screen readers. */
function Bar({ share }: { share: number }) {
  return (
    <svg aria-hidden="true" height={14} className="block w-full min-w-24">
      <rect width="100%" height={14} className="fill-sunken" />
      <rect
        width={`${(share * 100).toFixed(1)}%`}
        height={14}
        fill="currentColor"
        className="text-candidate"
      />
    </svg>
  );
}
