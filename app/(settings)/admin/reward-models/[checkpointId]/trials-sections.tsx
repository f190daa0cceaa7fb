/** @file What its run tried on its data before it trained: the same training on every part in turn, and on fewer prompts. */
"use client";

import { type Column, DataTable } from "@/app/_components/data-table";
import { ForestPlot } from "@/app/_components/forest-plot";
import type { RewardModelDetail } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { describeDifference, describeFigure, describeN, forestRow } from "../describe-report";
import { PlainChart } from "./plain-chart";

type Trials = NonNullable<RewardModelDetail["trials"]>;
type TrialsProps = { trials: Trials | null; beside: Trials | null };

export function TrialsSections({ trials, beside }: TrialsProps) {
  return (
    <>
      {trials?.folds && <FoldsSection folds={trials.folds} />}
      {trials?.learningCurve && (
        <CurveSection curve={trials.learningCurve} beside={beside?.learningCurve ?? null} />
      )}
    </>
  );
}

const foldTexts = {
  prompts: "Models trained with the same settings on all prompts but a part, each judged on that part.",
  labelers:
    "Models trained with the same settings without the work of some labelers, each judged by those labelers on prompts it never had.",
};

function FoldsSection({ folds: { by, pooled, each } }: { folds: NonNullable<Trials["folds"]> }) {
  return (
    <Section
      title={`Over ${plural(each.length, "fold", "folds")}`}
      text={`${foldTexts[by]} So all of the data judges the way of training, where what one run held out is a small part of it: ${describeFigure(pooled.accuracy)} of pairs right, ${describeDifference(pooled.margin)} over “the longer wins”.`}
    >
      <ForestPlot
        caption="Accuracy over folds"
        nameTitle="Judged on"
        valueTitle="Right"
        rows={[
          ...forestRow("All folds", pooled.accuracy, "candidate"),
          ...forestRow("All folds, the longer wins", pooled.longerWins, "reference"),
          ...each.flatMap((fold, at) => [
            ...forestRow(nameOf(fold, at), fold.accuracy, "candidate"),
            ...forestRow(`${nameOf(fold, at)}, the longer wins`, fold.longerWins, "reference"),
          ]),
        ]}
        markTexts={{ candidate: "trained on the other folds", reference: "“the longer wins”" }}
      />
    </Section>
  );
}

type Fold = NonNullable<Trials["folds"]>["each"][number];

function nameOf({ labelers }: Fold, at: number): string {
  return labelers.length === 0 ? `Fold ${at + 1}` : `Fold ${at + 1}: ${labelers.join(", ")}`;
}

type Curve = NonNullable<Trials["learningCurve"]>;

function CurveSection({ curve, beside }: { curve: Curve; beside: Curve | null }) {
  const xs = [...new Set([curve, ...(beside ? [beside] : [])].flatMap(promptsOf))].toSorted((a, b) => a - b);
  const own = figuresAt(curve, xs);
  return (
    <Section
      title="Learning curve"
      text={`Accuracy on the held-out prompts of heads solved on an eighth, a quarter, a half and all of the prompts, over the states of the model as its run started: before any layer was trained. Where it still rises at the end, more rankings help. “The longer wins” is right on ${describeFigure(curve.longerWins)}.`}
    >
      <PlainChart
        title="Pairs right"
        unit="share, by prompts learned from"
        xs={xs}
        columns={[
          own.map((figure) => figure?.interval?.high ?? null),
          own.map((figure) => figure?.interval?.low ?? null),
          own.map((figure) => figure?.share ?? null),
          xs.map(() => curve.longerWins.share),
          ...(beside ? [figuresAt(beside, xs).map((figure) => figure?.share ?? null)] : []),
        ]}
        bands={[[0, 1]]}
        lines={[
          { label: "this model, at most", colorClass: "text-candidate", isBandEdge: true, joinsGaps: true },
          { label: "this model, at least", colorClass: "text-candidate", isBandEdge: true, joinsGaps: true },
          { label: "this model", colorClass: "text-candidate", isSparse: true },
          { label: "the longer wins", colorClass: "text-reference", dash: [6, 4] },
          ...(beside
            ? [{ label: "the other model", colorClass: "text-series-2", isSparse: true, dash: [2, 3] }]
            : []),
        ]}
      />
      <details className="mt-2">
        <summary className="w-fit text-small text-muted hover:text-ink">The numbers of this chart</summary>
        <DataTable
          caption="Learning curve"
          columns={columns}
          rows={curve.points}
          rowKey={({ prompts }) => String(prompts)}
        />
      </details>
    </Section>
  );
}

const promptsOf = ({ points }: Curve) => points.map(({ prompts }) => prompts);

const figuresAt = ({ points }: Curve, xs: readonly number[]) =>
  xs.map((x) => points.find(({ prompts }) => prompts === x)?.accuracy);

const columns: Column<Curve["points"][number]>[] = [
  { title: "Prompts", isNumber: true, cell: ({ prompts }) => prompts.toLocaleString("en") },
  { title: "Pairs right", isNumber: true, cell: ({ accuracy }) => describeFigure(accuracy) },
  { title: "Judged on", cell: ({ accuracy }) => describeN(accuracy) },
];
