/** @file Accuracy on rankings that came while the model was in use: over time, by policy, beside its report and the labelers. */
"use client";

import { useState } from "react";
import { type Column, DataTable } from "@/app/_components/data-table";
import { SelectField } from "@/app/_components/field";
import { ForestPlot } from "@/app/_components/forest-plot";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { LiveRewardAccuracy } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { describeFigure, describeN, forestRow } from "../describe-report";
import { PlainChart } from "./plain-chart";

type Series = LiveRewardAccuracy["series"][number];
type Point = Series["points"][number];

export function LiveSection({ live, isInUse }: { live: LiveRewardAccuracy; isInUse: boolean }) {
  const { series, promised } = live;
  const [chosen, setChosen] = useState("");
  const [all] = series;
  if (live.scored === 0 && !isInUse) return null;
  const shown = series.find(({ policy }) => policy?.id === chosen) ?? all;
  return (
    <Section
      title="On new rankings"
      text="Rankings that came while it was in use, scored before anything could learn from them. Of work of your labelers only: imports and the held-out group are measured above."
    >
      {!shown || all?.accuracy.pairs === 0 ? (
        <p>No new ranking to count yet. The next one that a labeler submits is scored within seconds.</p>
      ) : (
        <>
          <ForestPlot
            caption="Accuracy on new rankings"
            nameTitle="Responses of"
            valueTitle="Right"
            rows={[
              ...series.flatMap((each) => [
                ...forestRow(nameOf(each), each.accuracy, "candidate"),
                ...(each.recent.prompts < each.accuracy.prompts
                  ? forestRow(
                      `${nameOf(each)}, newest ${each.recent.prompts} prompts`,
                      each.recent,
                      "candidate",
                    )
                  : []),
              ]),
              ...(promised ? forestRow("Its report promised", promised, "reference") : []),
            ]}
            markTexts={{ reference: "its report" }}
          />
          {series.length > 2 && (
            <div className="mt-6 max-w-[22rem]">
              <SelectField
                label="Chart the responses of"
                value={chosen}
                onChange={({ target }) => setChosen(target.value)}
              >
                {series.map((each) => (
                  <option key={each.policy?.id ?? ""} value={each.policy?.id ?? ""}>
                    {nameOf(each)}
                  </option>
                ))}
              </SelectField>
            </div>
          )}
          <OverTime series={shown} promised={promised} />
        </>
      )}
      <Counts live={live} />
    </Section>
  );
}

/** What asks for a new reward model, for the top of the page. */
export function LiveWarnings({ live: { series, promised } }: { live: LiveRewardAccuracy }) {
  const fallen = series.filter(({ hasFallen }) => hasFallen);
  if (!promised || fallen.length === 0) return null;
  return (
    <div className="mt-3 max-w-[46rem] space-y-2">
      {fallen.map(({ policy, recent }) => (
        <Notice key={policy?.id ?? ""} tone="warning">
          On the newest {plural(recent.prompts, "prompt", "prompts")}
          {policy && ` with responses of ${policy.name}`} it is right on {describeFigure(recent)} of the
          pairs; its report promised {describeFigure(promised)}. Train a new reward model with these rankings
          before more PPO.
        </Notice>
      ))}
    </div>
  );
}

const nameOf = ({ policy }: Series) => policy?.name ?? "All policies";

/** One point says nothing of time. */
const fewestPoints = 2;

function OverTime({
  series: { points },
  promised,
}: {
  series: Series;
  promised: LiveRewardAccuracy["promised"];
}) {
  const share = (pick: (point: Point) => number | null | undefined) =>
    points.map((point) => pick(point) ?? null);
  return (
    <>
      {points.length >= fewestPoints && (
        <div className="mt-6">
          <PlainChart
            title="Right"
            unit="share of pairs, by when the rankings were made"
            isTime
            xs={points.map(({ to }) => to / 1000)}
            columns={[
              share(({ accuracy }) => accuracy.interval?.high),
              share(({ accuracy }) => accuracy.interval?.low),
              share(({ accuracy }) => accuracy.share),
              share(({ agreement }) => agreement?.share),
              share(() => promised?.share),
            ]}
            bands={[[0, 1]]}
            lines={[
              { label: "95 % up to", colorClass: "text-candidate", isBandEdge: true },
              { label: "95 % from", colorClass: "text-candidate", isBandEdge: true },
              { label: "this model", colorClass: "text-candidate", isSparse: true },
              { label: "labelers with each other", colorClass: "text-people", isSparse: true, dash: [2, 3] },
              { label: "its report", colorClass: "text-reference", dash: [6, 4] },
            ]}
          />
        </div>
      )}
      <details className="mt-2">
        <summary className="w-fit text-small text-muted hover:text-ink">
          {points.length >= fewestPoints ? "The numbers of this chart" : "By time"}
        </summary>
        <DataTable
          caption="Accuracy on new rankings over time"
          columns={columns}
          rows={points}
          rowKey={({ from, to }) => `${from} ${to}`}
        />
      </details>
    </>
  );
}

const columns: Column<Point>[] = [
  { title: "From", cell: ({ from }) => <Moment at={new Date(from)} /> },
  { title: "To", cell: ({ to }) => <Moment at={new Date(to)} /> },
  { title: "Right", isNumber: true, cell: ({ accuracy }) => describeFigure(accuracy) },
  {
    title: "Labelers with each other",
    isNumber: true,
    cell: ({ agreement }) => (agreement ? describeFigure(agreement) : "–"),
  },
  { title: "n", cell: ({ accuracy }) => describeN(accuracy) },
];

function Counts({ live: { scored, seen, faults, cutAt } }: { live: LiveRewardAccuracy }) {
  if (scored === 0) return null;
  return (
    <p className="mt-3 max-w-[46rem] text-small text-muted tabular">
      {plural(scored, "ranking", "rankings")} scored.{" "}
      {seen > 0 &&
        `${seen.toLocaleString("en")} of them left out here, as it had learned from other rankings of their prompts. `}
      {cutAt !== null && `The newest ${cutAt.toLocaleString("en")} are shown. `}
      {faults.count > 0 &&
        `${faults.count.toLocaleString("en")} could not be scored and were released; the newest: ${faults.newest} `}
      Every interval is 95 % over prompts, and pairs that a labeler tied are left out.
    </p>
  );
}
