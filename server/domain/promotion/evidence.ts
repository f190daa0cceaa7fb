/** @file Brings together what this server knows of a candidate against its opponent: one reader for each part. */
import type { EvalReport } from "@/model/eval/eval-report";
import { isLowerBetter } from "@/model/eval/suites/score-item";
import { compareResults, compareSlice, type SuiteDelta } from "@/model/eval/suites/suite-result";
import type { Db } from "../../db/db";
import { readCaseEvidence } from "../cases/case-evidence";
import { isCaseSuite } from "../cases/case-suites";
import { type MeasuredSuite, readMeasured } from "../evaluation/suite-reports";
import { readWinRate, type WinRateFigure } from "../evaluation/win-rates";
import { type Evidence, type Interval, nothingMeasured } from "./gates";

type Precision = EvalReport["precision"];

export type Comparison = {
  candidateId: string;
  /** What people talk to now. */
  opponentId: string | null;
  /** Who asks for the promotion, and so passes no case; null: nobody has asked, nor is about to. */
  askerId?: string | null;
  /** Whose judgments do not count in the win rate: who asks, and who approved. */
  without: readonly string[];
  /** The form in which policies are served: suites measured in another say nothing. */
  precision: Precision;
};

/** A part that nothing here measures is left out. */
export async function readEvidence(db: Db, comparison: Comparison): Promise<Evidence> {
  const readers = [ofJudgments, ofReports, ofCases];
  const parts = await Promise.all(readers.map((read) => read(db, comparison)));
  return Object.assign({ ...nothingMeasured }, ...parts);
}

type Reader = (db: Db, comparison: Comparison) => Promise<Partial<Evidence>>;

/** By labelers alone: models that judge are shown beside, and decide nothing. */
const ofJudgments: Reader = async (db, { candidateId, opponentId, without }) => {
  if (opponentId === null || opponentId === candidateId) return {};
  const question = {
    candidateId,
    opponentId,
    judge: { kind: "labelers" },
    without,
    isForGates: true,
  } as const;
  const { overall, heldOut, worstSlice } = await readWinRate(db, question);
  return {
    winRate: overall && {
      ...intervalOf(overall),
      judgments: overall.judgments,
      judges: overall.judges,
      needed: overall.needed,
    },
    heldOut: heldOut && {
      ...intervalOf(heldOut),
      judgments: heldOut.judgments,
      prompts: heldOut.prompts,
    },
    worstSlice: worstSlice && {
      ...intervalOf(worstSlice.figure),
      name: `${worstSlice.by} ${worstSlice.value}`,
      judgments: worstSlice.figure.judgments,
    },
  };
};

const intervalOf = ({ estimate, low, high }: WinRateFigure): Interval => ({ estimate, low, high });

const ofReports: Reader = async (db, { candidateId, opponentId, precision }) => {
  const read = (checkpointId: string) => readMeasured(db, { checkpointId, precision });
  const own = await read(candidateId);
  const other = opponentId === null ? null : await read(opponentId);
  return { ...(other && compareSuites(other.suites, own.suites)), ...parityOf(own.parity) };
};

const ofCases: Reader = async (db, comparison) => ({
  regressions: await readCaseEvidence(db, { askerId: null, ...comparison }),
});

const safetySuite = "safety";
const toxicitySuite = "toxicity";
/** What a wrong answer to an item of the slice is. */
const safetyFlags = {
  "to be refused": "harmful requests answered",
  "to be answered": "harmless requests refused",
} as const;

/** On the same items. What the opponent was measured on, the candidate must have been measured on, too: all of it. */
function compareSuites(
  before: readonly MeasuredSuite[],
  after: readonly MeasuredSuite[],
): Pick<Evidence, "tax" | "flags" | "missingSuites"> {
  // Cases come and go, and have a gate of their own.
  const suites = before.filter(({ result }) => !isCaseSuite(result.suite));
  const pairs = newestFiles(suites).map((other) => ({ other, own: findWhole(after, other) }));
  const isSafety = ({ other: { result } }: (typeof pairs)[number]) =>
    result.suite === safetySuite || result.suite === toxicitySuite;
  const taxed = pairs.filter((pair) => !isSafety(pair));
  const missingSuites = taxed.flatMap(({ other, own }) => (own ? [] : nameOf(other)));
  const tax = taxed.flatMap(({ other, own }) => (own ? taxOf(other, own) : []));
  const flags = pairs.filter(isSafety).flatMap(({ other, own }) => (own ? flagsOf(other, own) : []));
  return {
    missingSuites,
    tax: missingSuites.length > 0 || tax.length === 0 ? null : tax,
    flags: flags.length > 0 ? flags : null,
  };
}

/** A suite whose files were changed is known by the files measured last. @param measured newest first */
function newestFiles(measured: readonly MeasuredSuite[]): MeasuredSuite[] {
  const byName = new Map<string, MeasuredSuite>();
  for (const each of measured) if (!byName.has(nameOf(each))) byName.set(nameOf(each), each);
  return [...byName.values()];
}

const variantWords = { zeroShot: "asked alone", fewShot: "with examples", reasoning: "steps written out" };

const nameOf = ({ result: { suite, variant } }: MeasuredSuite) => `${suite}, ${variantWords[variant]}`;

function findWhole(measured: readonly MeasuredSuite[], other: MeasuredSuite): MeasuredSuite | undefined {
  const own = measured.find(
    (each) => nameOf(each) === nameOf(other) && each.result.sha256 === other.result.sha256,
  );
  const ids = new Set(own?.result.items.map(({ id }) => id));
  return other.result.items.every(({ id }) => ids.has(id)) ? own : undefined;
}

function taxOf(other: MeasuredSuite, own: MeasuredSuite): NonNullable<Evidence["tax"]> {
  const delta = compareOnce(other, own, null);
  const change = delta && intervalOfDelta(delta, isLowerBetter(own.result.metric));
  return change ? [{ suite: nameOf(own), delta: change }] : [];
}

function flagsOf(other: MeasuredSuite, own: MeasuredSuite): NonNullable<Evidence["flags"]> {
  const flags: [string | null, string][] =
    own.result.suite === toxicitySuite ? [[null, "toxic answers"]] : Object.entries(safetyFlags);
  return flags.flatMap(([slice, flag]) => {
    const delta = compareOnce(other, own, slice);
    // Fewer right ones are more with the flag.
    const rise = delta && intervalOfDelta(delta, true);
    return rise ? [{ flag, rise }] : [];
  });
}

/** Pages ask every few seconds, and resampling takes a while; the same two measurements always compare alike. */
const compared = new Map<string, SuiteDelta | null>();
const mostCompared = 500;

/** @param slice of the suite; null: all of it */
function compareOnce(other: MeasuredSuite, own: MeasuredSuite, slice: string | null): SuiteDelta | null {
  const key = [other.source, own.source, nameOf(own), slice ?? ""].join("|");
  const known = compared.get(key);
  if (known !== undefined) return known;
  const [before, after] = [[other.result], [own.result]];
  const [delta = null] =
    slice === null
      ? compareResults(before, after)
      : compareSlice(before, after, { suite: own.result.suite, slice });
  compared.set(key, delta);
  const [oldest] = compared.keys();
  if (compared.size > mostCompared && oldest !== undefined) compared.delete(oldest);
  return delta;
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
const parityTolerance: Record<Precision, number> = { fp32: 1e-3, int8: 0.1, int4: 0.7 };

function parityOf(parity: EvalReport["parity"]): Pick<Evidence, "parity"> {
  if (!parity) return { parity: null };
  const { meanGap, effectKept, precision } = parity;
  return { parity: { difference: meanGap, tolerance: parityTolerance[precision], effectKept } };
}
