/** @file Whether an ensemble knows where it may be wrong: accuracy by how far its members differ, and by the margin itself. */
"use client";

import type { RewardFigures } from "@/app/_lib/api-types";
import { formatMetric } from "@/app/_lib/format";
import { Section } from "../../../_frame/section";
import { ForestPlot, type ForestRow } from "../../agreement/forest-plot";
import { forestRow } from "../describe-report";

type UncertaintySectionProps = { figures: RewardFigures; beside: RewardFigures | null };
type Third = NonNullable<RewardFigures["uncertainty"]>["byDeviation"][number];

/** Nothing of a model with one head. */
export function UncertaintySection({ figures: { uncertainty }, beside }: UncertaintySectionProps) {
  if (!uncertainty) return null;
  const { members, meanDeviation, meanMargin, byDeviation, byMargin } = uncertainty;
  const other = beside?.uncertainty?.byDeviation;
  return (
    <Section
      title="Uncertainty"
      text={`It is an ensemble of ${members} heads. A pair’s deviation is that of its margin over them: ${formatMetric(meanDeviation)} on average, where margins are ${formatMetric(meanMargin)}. Where it tells, accuracy falls from the pairs about which the members agree to those about which they differ; it is of use beyond the margin where it falls further than it does from wide margins to narrow ones. The heads share all layers below, so what these do not see, all miss together.`}
    >
      <ForestPlot
        caption="Accuracy by uncertainty"
        nameTitle="A third of the pairs"
        valueTitle="Right"
        rows={[
          ...thirdRows(byDeviation, { names: deviationNames, quantity: "deviation", mark: "candidate" }),
          ...(other
            ? thirdRows(other, {
                names: deviationNames.map((name) => `${name}, the other model`),
                quantity: "deviation",
                mark: "other",
              })
            : []),
          ...thirdRows(byMargin, { names: marginNames, quantity: "margin", mark: "reference" }),
        ]}
        markTexts={{
          candidate: "by deviation",
          other: "by deviation, the other model",
          reference: "by margin",
        }}
      />
    </Section>
  );
}

const deviationNames = ["Members agree most", "In between", "Members differ most"];
const marginNames = ["Widest margins", "Middling margins", "Narrowest margins"];

type Kind = { names: readonly string[]; quantity: string; mark: ForestRow["mark"] };

function thirdRows(thirds: readonly Third[], { names, quantity, mark }: Kind): ForestRow[] {
  return thirds.flatMap(({ from, to, accuracy }, at) =>
    forestRow(names[at] ?? "", accuracy, mark).map((row) => ({
      ...row,
      n: `${quantity} ${formatMetric(from)} to ${formatMetric(to)}; ${row.n}`,
    })),
  );
}
