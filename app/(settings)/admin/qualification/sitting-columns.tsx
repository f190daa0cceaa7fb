/** @file A sitting as a row: who, when, the four figures with what they are taken over, and the outcome. */

import { Button } from "@/app/_components/button";
import type { Column } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { ListedSitting } from "@/app/_lib/api-types";
import { percentOf, ratingOf } from "../../label/qualification/criteria-table";

export const sittingStatusNames: Record<ListedSitting["status"], string> = {
  sitting: "under way",
  reviewing: "demonstrations to rate",
  passed: "passed",
  failed: "not passed",
};

type FigureProps = { value: string; over: number | null; unit: string; isBelow: boolean };

/** Below its cut-off it says so in words: colour carries nothing alone. */
function Figure({ value, over, unit, isBelow }: FigureProps) {
  return (
    <>
      <span className="tabular">{value}</span>
      {over !== null && over > 0 && (
        <span className="block text-small text-muted">
          {over} {unit}
        </span>
      )}
      {isBelow && <span className="block text-small text-people">below</span>}
    </>
  );
}

export function sittingColumns(onOpen: (sittingId: string) => void): Column<ListedSitting>[] {
  return [
    {
      title: "Labeler",
      cell: ({ labeler, testName, startedAt }) => (
        <div className="min-w-32">
          {labeler.name}
          <p className="text-small text-muted">
            {testName}, <Moment at={startedAt} />
          </p>
        </div>
      ),
    },
    {
      title: "Flags",
      isNumber: true,
      cell: ({ flagAgreement, flagDecisions, verdicts }) => (
        <Figure
          value={percentOf(flagAgreement)}
          over={flagDecisions}
          unit="decisions"
          isBelow={flagAgreement !== null && !verdicts.flags}
        />
      ),
    },
    {
      title: "Rankings",
      isNumber: true,
      cell: ({ rankingAgreement, rankingPairs, verdicts }) => (
        <Figure
          value={percentOf(rankingAgreement)}
          over={rankingPairs}
          unit="pairs"
          isBelow={rankingAgreement !== null && !verdicts.rankings}
        />
      ),
    },
    {
      title: "Demonstrations",
      isNumber: true,
      cell: ({ demonstrationRating, ratedDemonstrations, verdicts }) => (
        <Figure
          value={verdicts.demonstrations === null ? "not asked" : ratingOf(demonstrationRating)}
          over={ratedDemonstrations}
          unit="rated"
          isBelow={demonstrationRating !== null && verdicts.demonstrations === false}
        />
      ),
    },
    { title: "Areas", cell: ({ areas }) => <span className="text-small">{areas.join(", ") || "–"}</span> },
    {
      title: "Outcome",
      cell: ({ status, decidedByName, decisionReason }) => (
        <div className="max-w-56">
          {sittingStatusNames[status]}
          {decisionReason && (
            <p className="text-small text-muted">
              by {decidedByName ?? "a lead since gone"}: {decisionReason}
            </p>
          )}
        </div>
      ),
    },
    {
      title: "Action",
      isTitleHidden: true,
      cell: ({ id, labeler }) => (
        <Button small aria-label={`Answers of ${labeler.name}`} onClick={() => onOpen(id)}>
          Answers
        </Button>
      ),
    },
  ];
}
