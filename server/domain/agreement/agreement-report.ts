/**
 * @file How far labelers agree, from every side a lead asks about: overall, by person, by pair of people, by group, with a
 * known answer, with an expert, with oneself, over time. Labelers appear under their pseudonyms.
 */
import { type TieRule, tieRules } from "@/model/eval/agreement";
import type { Db } from "../../db/db";
import type { AgreementFigures } from "./agreement-figures";
import { computeFigures } from "./compute-figures";
import { type PublishedAgreement, publishedAgreement } from "./published";
import { mostRankings, type RankingFilter, readAdjudications, readGold, readRankings } from "./read-rankings";

export type AgreementReport = AgreementFigures & {
  tieRule: TieRule;
  /** The rule of all figures but `overall`, as a sentence; and both. */
  tieRuleText: string;
  tieRuleTexts: Record<TieRule, string>;
  /** How many rankings were read where there are more of them; else null. */
  cutAt: number | null;
  published: readonly PublishedAgreement[];
};

/** @param limit rankings read */
export async function reportAgreement(
  db: Db,
  {
    tieRule,
    filter = {},
    limit = mostRankings,
  }: { tieRule: TieRule; filter?: RankingFilter; limit?: number },
): Promise<AgreementReport> {
  const { first, repeated, isCut } = await readRankings(db, filter, limit);
  const taskIds = [...new Set(first.map(({ task }) => task))];
  const adjudications = await readAdjudications(db, taskIds);
  const gold = await readGold(db, taskIds);
  const figures = await computeFigures("report", { tieRule, first, repeated, gold, adjudications });
  return {
    tieRule,
    tieRuleText: tieRules[tieRule],
    tieRuleTexts: tieRules,
    cutAt: isCut ? limit : null,
    published: publishedAgreement,
    ...figures,
  };
}
