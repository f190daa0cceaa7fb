/** @file The four criteria of a sitting: what was reached, over how many, and what was asked. */

import { DataTable } from "@/app/_components/data-table";
import type { OwnSitting, TestSettings } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";

type Figures = Pick<
  OwnSitting,
  | "flagAgreement"
  | "flagDecisions"
  | "rankingAgreement"
  | "rankingPairs"
  | "demonstrationRating"
  | "ratedDemonstrations"
>;
type CriteriaTableProps = {
  figures: Figures;
  cutoffs: Pick<TestSettings, "flagCutoff" | "rankingCutoff" | "ratingCutoff">;
  verdicts: OwnSitting["verdicts"];
  areas: readonly string[];
};

export const percentOf = (share: number | null) =>
  share === null ? "–" : `${Math.round(share * 1000) / 10} %`;
export const ratingOf = (rating: number | null) => (rating === null ? "–" : rating.toFixed(1));

type Row = {
  name: string;
  text: string;
  reached: string;
  over: string;
  cutoff: string;
  isMet: boolean | null;
};

/** Said wherever the figures stand. */
export const criteriaTexts = {
  rankings:
    "of the pairs in a known order, those put in the same order; a tie is a miss, a known tie is left out",
  flags: "of the flags expected or set, those that are both; a response rightly without any counts once",
};

export function CriteriaTable({ figures, cutoffs, verdicts, areas }: CriteriaTableProps) {
  const rows: Row[] = [
    {
      name: "Flags",
      text: criteriaTexts.flags,
      reached: percentOf(figures.flagAgreement),
      over: plural(figures.flagDecisions ?? 0, "decision", "decisions"),
      cutoff: percentOf(cutoffs.flagCutoff),
      isMet: figures.flagAgreement === null ? null : verdicts.flags,
    },
    {
      name: "Rankings",
      text: criteriaTexts.rankings,
      reached: percentOf(figures.rankingAgreement),
      over: plural(figures.rankingPairs ?? 0, "pair", "pairs"),
      cutoff: percentOf(cutoffs.rankingCutoff),
      isMet: figures.rankingAgreement === null ? null : verdicts.rankings,
    },
    {
      name: "Demonstrations",
      text: "mean of a lead's ratings, 1 to 7",
      reached: verdicts.demonstrations === null ? "not asked" : ratingOf(figures.demonstrationRating),
      over: plural(figures.ratedDemonstrations ?? 0, "rated", "rated"),
      cutoff: verdicts.demonstrations === null ? "–" : ratingOf(cutoffs.ratingCutoff),
      isMet: figures.demonstrationRating === null ? null : verdicts.demonstrations,
    },
    {
      name: "Areas of competence",
      text: "as one says of oneself",
      reached: areas.length === 0 ? "none named" : areas.join(", "),
      over: "",
      cutoff: "none",
      isMet: null,
    },
  ];
  return (
    <DataTable
      caption="The four criteria"
      rows={rows}
      rowKey={({ name }) => name}
      columns={[
        {
          title: "Criterion",
          cell: ({ name, text }) => (
            <div className="min-w-36">
              {name}
              <p className="max-w-72 text-small text-muted">{text}</p>
            </div>
          ),
        },
        { title: "Reached", cell: ({ reached }) => <span className="tabular">{reached}</span> },
        { title: "Over", cell: ({ over }) => <span className="tabular text-small">{over}</span> },
        { title: "Cut-off", cell: ({ cutoff }) => <span className="tabular">{cutoff}</span> },
        {
          title: "Verdict",
          cell: ({ isMet }) =>
            isMet === null ? (
              "–"
            ) : (
              <span className={isMet ? "" : "text-people"}>{isMet ? "reached" : "below"}</span>
            ),
        },
      ]}
    />
  );
}
