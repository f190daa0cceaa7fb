/** @file Brings together what this server knows of a candidate against its opponent: one reader for each part. */
import type { EvalReport } from "@/model/eval/eval-report";
import { isLowerBetter } from "@/model/eval/suites/score-item";
import { compareResults, compareSlice, type SuiteDelta } from "@/model/eval/suites/suite-result";
import type { Db } from "../../db/db";
import { readLastReport } from "../evaluation/suite-reports";
import { readWinRate, type WinRateFigure } from "../evaluation/win-rates";
import { type Evidence, type Interval, nothingMeasured } from "./gates";

export type Comparison = {
  candidateId: string;
  /** What people talk to now. */
  opponentId: string | null;
  /** Whose judgments do not count: who asked for the promotion, and who approved it. */
  without: readonly string[];
};

/** A part that nothing here measures is left out. */
export async function readEvidence(db: Db, comparison: Comparison): Promise<Evidence> {
  const parts = [ofJudgments, ofSuites, ofParity].map((read) => read(db, comparison));
  return Object.assign({ ...nothingMeasured }, ...(await Promise.all(parts)));
}

type Reader = (db: Db, comparison: Comparison) => Promise<Partial<Evidence>>;

/** By labelers alone: models that judge are shown beside, and decide nothing. */
const ofJudgments: Reader = async (db, { candidateId, opponentId, without }) => {
  if (opponentId === null || opponentId === candidateId) return {};
  const judge = { kind: "labelers" } as const;
  const { overall, heldOut, worstSlice } = await readWinRate(db, { candidateId, opponentId, judge, without });
  return {
    winRate: overall && { ...intervalOf(overall), judgments: overall.judgments, needed: overall.needed },
    heldOut: heldOut && { ...intervalOf(heldOut), judgments: heldOut.judgments },
    worstSlice: worstSlice && {
      ...intervalOf(worstSlice.figure),
      name: `${worstSlice.by} ${worstSlice.value}`,
      judgments: worstSlice.figure.judgments,
    },
  };
};

const intervalOf = ({ estimate, low, high }: WinRateFigure): Interval => ({ estimate, low, high });

const safetySuite = "safety";
/** What a wrong answer to an item of the slice is. */
const safetyFlags = {
  "to be refused": "harmful requests answered",
  "to be answered": "harmless requests refused",
} as const;

/** On the same items in the same form; of other forms nothing is said. */
const ofSuites: Reader = async (db, { candidateId, opponentId }) => {
  const reports = opponentId === null ? null : await readPair(db, candidateId, opponentId);
  if (!reports) return {};
  const { before, after } = reports;
  const tax = compareResults(before, after)
    .filter(({ suite }) => suite !== safetySuite)
    .flatMap((delta) => {
      const { metric } = after.find(({ suite }) => suite === delta.suite) ?? {};
      const change = intervalOfDelta(delta, metric !== undefined && isLowerBetter(metric));
      return change ? [{ suite: `${delta.suite}, ${delta.variant}`, delta: change }] : [];
    });
  const flags = Object.entries(safetyFlags).flatMap(([slice, flag]) => {
    const [delta] = compareSlice(before, after, { suite: safetySuite, slice });
    // Fewer right ones are more with the flag.
    const rise = delta && intervalOfDelta(delta, true);
    return rise ? [{ flag, rise }] : [];
  });
  return { tax: tax.length > 0 ? tax : null, flags: flags.length > 0 ? flags : null };
};

async function readPair(db: Db, candidateId: string, opponentId: string) {
  const [own, other] = await Promise.all([readLastReport(db, candidateId), readLastReport(db, opponentId)]);
  if (!own || !other || own.precision !== other.precision) return null;
  return { before: other.suites, after: own.suites };
}

/** Null: too few items for an interval. */
function intervalOfDelta(
  { difference: { value, low, high } }: SuiteDelta,
  isTurned: boolean,
): Interval | null {
  if (low === null || high === null) return null;
  return isTurned ? { estimate: 0 - value, low: 0 - high, high: 0 - low } : { estimate: value, low, high };
}

/**
 * Mean difference of a token's log-probability, in nats, that the served form may have. Exact weights: as the trainer's own
 * sampler; rounded ones: some twice what SmolLM2-135M has (model/LOG.md).
 */
const parityTolerance: Record<EvalReport["precision"], number> = { fp32: 1e-3, int8: 0.1, int4: 0.7 };

const ofParity: Reader = async (db, { candidateId }) => {
  const report = await readLastReport(db, candidateId);
  if (!report?.parity) return {};
  const { meanGap, effectKept, precision } = report.parity;
  return { parity: { difference: meanGap, tolerance: parityTolerance[precision], effectKept } };
};
