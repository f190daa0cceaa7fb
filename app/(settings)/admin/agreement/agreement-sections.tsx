/** @file The figures of an agreement report: overall beside published ones, by labeler, over time, by pair of labelers. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import { ForestPlot, type ForestRow } from "@/app/_components/forest-plot";
import type { AgreementFigure, AgreementReport } from "@/app/_lib/api-types";
import { describeShare, percent } from "@/app/_lib/describe-share";
import { plural } from "@/app/_lib/format";
import { Section } from "../../_frame/section";
import { describeCounts, describeInterval } from "./describe-figure";

export function AgreementSections({ report }: { report: AgreementReport }) {
  const { tieRuleText, byLabeler, byPair, byWeek, leftOut } = report;
  return (
    <>
      <Headline report={report} />
      <Section
        title="With whom"
        text={`${tieRuleText} The published figures do not say what becomes of ties.`}
      >
        <ForestPlot caption="Agreement by kind" nameTitle="Between" rows={kindRows(report)} />
        <ul className="mt-2 max-w-[44rem] text-small text-muted">
          {report.published.map(({ name, source }) => (
            <li key={name}>
              {name}: {source}.
            </li>
          ))}
        </ul>
      </Section>
      {byLabeler.length > 0 && (
        <Section title="By labeler" text={`Each with the others of the same tasks. ${tieRuleText}`}>
          <ForestPlot
            caption="Agreement by labeler"
            nameTitle="Labeler"
            rows={byLabeler.flatMap(({ labeler, isHeldOut, withOthers }) =>
              withOthers ? [rowOf(labeler, withOthers, isHeldOut ? "heldOut" : "people")] : [],
            )}
          />
          <div className="mt-4">
            <DataTable
              caption="By labeler, with known answers, experts and oneself"
              columns={labelerColumns}
              rows={byLabeler}
              rowKey={({ labeler }) => labeler}
            />
          </div>
          <LeftOut count={leftOut.labelers} what={["labeler", "labelers"]} />
        </Section>
      )}
      {byWeek.length > 0 && (
        <Section
          title="Over time"
          text={`By week, named by its Monday (UTC), in which the second of two rankings was submitted. ${tieRuleText}`}
        >
          <ForestPlot
            caption="Agreement by week"
            nameTitle="Week of"
            rows={byWeek.map(({ week, figure }) => rowOf(week, figure))}
          />
        </Section>
      )}
      {byPair.length > 0 && (
        <Section
          title="By pair of labelers"
          text={`Intervals are over the tasks that both ranked; most pairs of responses first. ${tieRuleText}`}
        >
          <DataTable
            caption="Agreement by pair of labelers"
            columns={pairColumns}
            rows={byPair}
            rowKey={({ labelers }) => labelers.join(" ")}
          />
          <LeftOut count={leftOut.pairs} what={["pair", "pairs"]} />
        </Section>
      )}
    </>
  );
}

/** Both tie rules side by side, with what does not depend on them. */
function Headline({ report: { overall, tieRuleTexts, alpha } }: { report: AgreementReport }) {
  return (
    <Section title="Overall">
      <dl className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
        {(["leaveOut", "half"] as const).map((rule) => (
          <div key={rule}>
            <dt className="text-small text-muted">{tieRuleTexts[rule]}</dt>
            <Value figure={overall[rule]} />
          </div>
        ))}
        <div>
          <dt className="text-small text-muted">Krippendorff’s alpha, 0 is chance, 1 is perfect</dt>
          <dd className="text-title tabular">{formatCoefficient(alpha)}</dd>
          <dd className="text-small text-muted">
            Over preferences, ordinal: a tie is a value between the two orders, so no pair is left out.
          </dd>
        </div>
        <div>
          <dt className="text-small text-muted">Kendall’s tau-b, mean over two rankings of a task</dt>
          <dd className="text-title tabular">{formatCoefficient(overall.leaveOut?.tauB)}</dd>
          <dd className="text-small text-muted">
            Corrected for ties; over {plural(overall.leaveOut?.meetings ?? 0, "comparison", "comparisons")} of
            two rankings.
          </dd>
        </div>
      </dl>
    </Section>
  );
}

function Value({ figure }: { figure: AgreementFigure | null }) {
  if (!figure) return <dd>no pair to count yet</dd>;
  return (
    <>
      <dd className="text-title tabular">{describeShare(figure)}</dd>
      <dd className="text-small text-muted tabular">
        {describeCounts(figure)}; {describeInterval(figure)}
      </dd>
    </>
  );
}

function kindRows(report: AgreementReport): ForestRow[] {
  const { overall, tieRule, byGroup, withGold, withAdjudication, withOneself, published } = report;
  const kinds: [string, AgreementFigure | null, ForestRow["mark"]][] = [
    ["All labelers", overall[tieRule], "people"],
    ["Training labelers", byGroup.training, "people"],
    ["Held-out labelers", byGroup.heldOut, "heldOut"],
    ["Training with held-out", byGroup.between, "people"],
    ["With known answers", withGold, "people"],
    ["With an expert", withAdjudication, "people"],
    ["With oneself, weeks later", withOneself, "people"],
  ];
  return [
    ...kinds.flatMap(([name, figure, mark]) => (figure ? [rowOf(name, figure, mark)] : [])),
    ...published.map(({ name, share, margin }) => ({
      name,
      mark: "reference" as const,
      share,
      low: share - margin,
      high: share + margin,
      n: `published as ${percent(share)} ± ${percent(margin)}`,
    })),
  ];
}

function rowOf(name: string, figure: AgreementFigure, mark: ForestRow["mark"] = "people"): ForestRow {
  const { share, low, high } = figure;
  return { name, mark, share, low, high, n: `${describeCounts(figure)}; ${describeInterval(figure)}` };
}

const shareAndPairs = (figure: AgreementFigure | null) =>
  figure ? `${describeShare(figure)} n=${figure.pairs.toLocaleString("en")}` : "–";

type LabelerRow = AgreementReport["byLabeler"][number];

const labelerColumns: Column<LabelerRow>[] = [
  {
    title: "Labeler",
    cell: ({ labeler, isHeldOut }) => (isHeldOut ? `${labeler} (held out)` : labeler),
  },
  { title: "With others", isNumber: true, cell: ({ withOthers }) => shareAndPairs(withOthers) },
  { title: "Known answers", isNumber: true, cell: ({ withGold }) => shareAndPairs(withGold) },
  { title: "Expert", isNumber: true, cell: ({ withAdjudication }) => shareAndPairs(withAdjudication) },
  { title: "Oneself", isNumber: true, cell: ({ withOneself }) => shareAndPairs(withOneself) },
  { title: "Tau-b", isNumber: true, cell: ({ withOthers }) => formatCoefficient(withOthers?.tauB) },
];

const pairColumns: Column<AgreementReport["byPair"][number]>[] = [
  { title: "Labeler", cell: ({ labelers: [first] }) => first },
  { title: "and", cell: ({ labelers: [, second] }) => second },
  { title: "Agreement", isNumber: true, cell: ({ figure }) => describeShare(figure) },
  { title: "Pairs", isNumber: true, cell: ({ figure }) => figure.pairs.toLocaleString("en") },
  { title: "Tasks", isNumber: true, cell: ({ figure }) => figure.tasks.toLocaleString("en") },
  { title: "Tau-b", isNumber: true, cell: ({ figure }) => formatCoefficient(figure.tauB) },
];

function LeftOut({ count, what: [one, many] }: { count: number; what: [string, string] }) {
  if (count === 0) return null;
  return (
    <p className="mt-2 text-small text-muted">
      {plural(count, `${one} with fewer`, `${many} with fewer`)} rankings in common not listed. Choose a batch
      or a period to see them.
    </p>
  );
}

/** −1…1 to three places, as papers give them; "–" where there is none. */
const formatCoefficient = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : value.toFixed(3).replace("-", "−");
