/** @file Accuracy beside what it must beat and what it cannot pass, and broken down by who, how many, how clear, where from. */
"use client";

import { ForestPlot, type ForestRow } from "@/app/_components/forest-plot";
import type { RewardFigures } from "@/app/_lib/api-types";
import { formatMetric, plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { describeDifference, describeFigure, describeN, forestRow } from "../describe-report";

type AccuracySectionsProps = {
  figures: RewardFigures;
  heldOut: RewardFigures | null;
  /** The other model's, where two are compared. */
  beside: RewardFigures | null;
};

const markTexts = { reference: "“the longer wins”", people: "labelers with each other" };

export function AccuracySections({ figures, heldOut, beside }: AccuracySectionsProps) {
  return (
    <>
      <Section
        title="Accuracy"
        text="How often the response that people put first scores higher; equal scores count half. It must beat the baseline, and cannot pass people’s own agreement by much."
      >
        <ForestPlot
          caption="Accuracy"
          nameTitle="Who decides"
          valueTitle="Right"
          rows={[
            ...forestRow("This model", figures.accuracy, "candidate"),
            ...(beside ? forestRow("The other model", beside.accuracy, "other") : []),
            ...forestRow("The longer response wins", figures.length.longerWins, "reference"),
            ...ceilingRows(figures),
            ...heldOutRows(heldOut),
          ]}
          markTexts={{ ...markTexts, heldOut: "the held-out group" }}
        />
        <Numbers figures={figures} beside={beside} />
      </Section>
      {breakdowns
        // Of one alone there is nothing to tell apart.
        .filter(({ key }) => figures.by[key].length > 1)
        .map(({ key, title, text, nameOf }) => (
          <Breakdown
            key={key}
            title={title}
            text={text}
            rows={figures.by[key].flatMap((each) => [
              ...forestRow(nameOf(each.key), each.accuracy, "candidate"),
              ...forestRow(`${nameOf(each.key)}, the longer wins`, each.longerWins, "reference"),
              ...(beside?.by[key].find((one) => one.key === each.key)
                ? forestRow(
                    `${nameOf(each.key)}, the other model`,
                    beside.by[key].find((one) => one.key === each.key)?.accuracy ?? each.accuracy,
                    "other",
                  )
                : []),
            ])}
          />
        ))}
    </>
  );
}

const breakdowns = [
  {
    key: "labeler",
    title: "By labeler",
    text: "Under their pseudonyms. One who stands far below the others may rank by other rules, or carelessly.",
    nameOf: (key: string) => key,
  },
  {
    key: "responses",
    title: "By number of responses ranked",
    text: "",
    nameOf: (key: string) => `${key} responses`,
  },
  {
    key: "rankGap",
    title: "By distance in rank",
    text: "Neighbours in a ranking are the hard pairs; a good model is surest about the far ones.",
    nameOf: (key: string) => `${plural(Number(key), "place", "places")} apart`,
  },
  { key: "source", title: "By source of the prompt", text: "", nameOf: (key: string) => key },
] as const;

function Breakdown({ title, text, rows }: { title: string; text: string; rows: ForestRow[] }) {
  return (
    <Section title={title} text={text}>
      <ForestPlot
        caption={`Accuracy ${title.toLowerCase()}`}
        nameTitle=""
        valueTitle="Right"
        rows={rows}
        markTexts={markTexts}
      />
    </Section>
  );
}

function ceilingRows({ ceiling }: RewardFigures): ForestRow[] {
  if (!ceiling) return [];
  const { agreement, interval, unit, pairs, prompts, accuracy } = ceiling;
  const n = `${plural(pairs, "pair", "pairs")}, ${plural(prompts, "prompt", "prompts")} ranked by several; interval over ${unit}`;
  return [
    {
      name: "Labelers with each other",
      mark: "people",
      share: agreement,
      low: interval?.low ?? null,
      high: interval?.high ?? null,
      n,
    },
    ...forestRow("This model, where they meet", accuracy, "candidate"),
  ];
}

function heldOutRows(heldOut: RewardFigures | null): ForestRow[] {
  return heldOut ? forestRow("This model, by the held-out group", heldOut.accuracy, "heldOut") : [];
}

function Numbers({ figures, beside }: { figures: RewardFigures; beside: RewardFigures | null }) {
  const { length, rankCorrelation, ceiling, ties } = figures;
  return (
    <dl className="mt-6 grid gap-x-8 gap-y-4 sm:grid-cols-2">
      <Fact
        title="Better than “the longer wins”"
        value={describeDifference(length.margin)}
        beside={beside && describeDifference(beside.length.margin)}
        note={`Paired, over the same pairs: ${describeN(length.margin)}; ${plural(ties, "tied pair", "tied pairs")} left out.`}
      />
      <Fact
        title="Kendall’s tau-b with whole rankings"
        value={formatMetric(rankCorrelation.tauB)}
        beside={beside && formatMetric(beside.rankCorrelation.tauB)}
        note={`Mean over ${plural(rankCorrelation.rankings, "ranking", "rankings")}; 1 is the same order, 0 chance${
          rankCorrelation.interval
            ? `; 95 % interval ${formatMetric(rankCorrelation.interval.low)} to ${formatMetric(rankCorrelation.interval.high)}`
            : ""
        }.`}
      />
      <Fact
        title="Where people chose the shorter one"
        value={describeFigure(length.whereShorterChosen)}
        beside={beside && describeFigure(beside.length.whereShorterChosen)}
        note={`Length cannot explain these: ${describeN(length.whereShorterChosen)}.`}
      />
      <Fact
        title="Correlation of score and length"
        value={formatMetric(length.withinPrompts)}
        beside={beside && formatMetric(beside.length.withinPrompts)}
        note={`Among responses to the same prompt; ${formatMetric(length.correlation)} over all responses.`}
      />
      {!ceiling && (
        <div className="sm:col-span-2">
          <dt className="text-small text-muted">Labelers with each other</dt>
          <dd>
            No two people ranked the same pair, so how far people agree is unknown. Let batches overlap.
          </dd>
        </div>
      )}
    </dl>
  );
}

function Fact({
  title,
  value,
  beside,
  note,
}: {
  title: string;
  value: string;
  beside: string | null;
  note: string;
}) {
  return (
    <div>
      <dt className="text-small text-muted">{title}</dt>
      <dd className="text-title tabular">{value}</dd>
      {beside && <dd className="tabular">{beside} with the other model</dd>}
      <dd className="text-small text-muted tabular">{note}</dd>
    </div>
  );
}
