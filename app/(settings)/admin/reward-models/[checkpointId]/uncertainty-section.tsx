/** @file Whether an ensemble knows where it may be wrong: accuracy by how far its members differ, and by the margin itself. */
"use client";

import { ForestPlot, type ForestRow } from "@/app/_components/forest-plot";
import type { RewardFigures } from "@/app/_lib/api-types";
import { percent } from "@/app/_lib/describe-share";
import { formatMetric } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { forestRow } from "../describe-report";

type UncertaintySectionProps = { figures: RewardFigures; beside: RewardFigures | null };
type Third = NonNullable<RewardFigures["uncertainty"]>["byDoubt"][number];

/** Nothing of a model with one head. */
export function UncertaintySection({ figures: { uncertainty }, beside }: UncertaintySectionProps) {
  if (!uncertainty) return null;
  const { members, meanDeviation, meanMargin, byDoubt, byMargin } = uncertainty;
  const other = beside?.uncertainty?.byDoubt;
  return (
    <Section
      title="Uncertainty"
      text={`It is an ensemble of ${members} heads, which differ about margins by ${formatMetric(meanDeviation)} on average, where margins are ${formatMetric(meanMargin)}. By that spread each pair has a doubt, the probability that its order is the other way. Where it tells, accuracy falls from the pairs the members are sure of to those they doubt; it is of use beyond the margin where it falls further than from wide margins to narrow ones. The heads share all layers below: what these do not see, all miss together.`}
    >
      <ForestPlot
        caption="Accuracy by uncertainty"
        nameTitle="A third of the pairs"
        valueTitle="Right"
        rows={[
          ...thirdRows(byDoubt, { names: doubtNames, rangeOf: doubtRange, mark: "candidate" }),
          ...(other
            ? thirdRows(other, {
                names: doubtNames.map((name) => `${name}, the other model`),
                rangeOf: doubtRange,
                mark: "other",
              })
            : []),
          ...thirdRows(byMargin, { names: marginNames, rangeOf: marginRange, mark: "reference" }),
        ]}
        markTexts={{
          candidate: "by doubt",
          other: "by doubt, the other model",
          reference: "by margin",
        }}
      />
    </Section>
  );
}

const doubtNames = ["Least doubt", "Middling doubt", "Most doubt"];
const marginNames = ["Widest margins", "Middling margins", "Narrowest margins"];

type Kind = { names: readonly string[]; rangeOf: (third: Third) => string; mark: ForestRow["mark"] };

const doubtRange = ({ from, to }: Third) => `doubt ${percent(from)} to ${percent(to)} %`;
const marginRange = ({ from, to }: Third) => `margin ${formatMetric(from)} to ${formatMetric(to)}`;

function thirdRows(thirds: readonly Third[], { names, rangeOf, mark }: Kind): ForestRow[] {
  return thirds.flatMap((third, at) =>
    forestRow(names[at] ?? "", third.accuracy, mark).map((row) => ({
      ...row,
      n: `${rangeOf(third)}; ${row.n}`,
    })),
  );
}
