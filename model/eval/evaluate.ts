/**
 * @file `attune eval`: measures a checkpoint on task suites, in the form in which it is served. Each figure carries its
 * interval; what was asked and said lies in `transcripts.jsonl`, to be read behind any figure.
 */
import { mkdir, open, rename } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { permutation } from "../random/permutation";
import type { Precision } from "../runtime/serving-weights";
import type { EvalConfig } from "./eval-config";
import { type EvalReport, evalReportFile, readEvalReport, transcriptsFile } from "./eval-report";
import { measureParity, type ParityInput } from "./served-parity";
import { ServedPolicy } from "./served-policy";
import { runSuite, variantsOf } from "./suites/run-suite";
import { shippedSuites } from "./suites/shipped-suites";
import { isPinned, readSuite, type Suite } from "./suites/suite";
import { compareResults, type SuiteDelta, type SuiteResult, type Transcript } from "./suites/suite-result";

export type EvalEvent =
  | { type: "suites"; suites: { name: string; items: number; variants: number }[]; totalItems: number }
  | { type: "item"; done: number; totalItems: number }
  | { type: "suite"; result: SuiteResult; done: number };

export type EvalOptions = {
  onEvent: (event: EvalEvent) => void;
  signal?: AbortSignal | undefined;
  basePlaces?: readonly string[] | undefined;
  /** Where serving forms are kept. */
  cacheFolder: string;
  /** Where suites that are named, not given as a folder, lie. */
  suitesFolder: string;
};

export type Evaluation = { report: EvalReport; transcripts: Transcript[] };

export type EvalSummary = {
  report: string;
  transcripts: string;
  suites: Omit<SuiteResult, "items">[];
  parity: EvalReport["parity"];
  against: { checkpoint: string; name: string; deltas: SuiteDelta[] }[];
};

/** Conversations answered side by side. */
const slots = 8;

/** What is measured, without where it goes; which form is served, and so meant, the caller knows. */
export type Measured = Omit<EvalConfig, "output" | "against" | "precision"> & { precision: Precision };

/**
 * @throws SuiteError, DataFileError before anything is measured; what `openCheckpoint` throws; the signal's reason, when it is
 * aborted
 */
export async function evaluateCheckpoint(config: Measured, options: EvalOptions): Promise<Evaluation> {
  const { onEvent, signal, basePlaces, cacheFolder } = options;
  // 1. All that can be wrong with what was given.
  const suites = (await findSuites(config, options)).map((suite) => thinned(suite, config.items));
  const asked = suites.flatMap((suite) =>
    variantsOf(suite)
      .filter((variant) => isPinned(suite.metric) || config.variants.includes(variant))
      .map((variant) => ({ suite, variant })),
  );
  const totalItems = asked.reduce((sum, { suite }) => sum + suite.items.length, 0);
  onEvent({
    type: "suites",
    suites: suites.map((suite) => ({
      name: suite.name,
      items: suite.items.length,
      variants: variantsOf(suite).length,
    })),
    totalItems,
  });
  const load = {
    precision: config.precision,
    threads: config.threads ?? Math.min(8, os.availableParallelism()),
    slots,
    cacheFolder,
    ...(basePlaces && { basePlaces }),
  };
  // 2. Every suite in every way.
  const results: SuiteResult[] = [];
  const transcripts: Transcript[] = [];
  let done = 0;
  const onItem = () => onEvent({ type: "item", done: ++done, totalItems });
  const { checkpoint, name, hasAdapter, spoken } = await withPolicy(config.model, load, async (policy) => {
    for (const { suite, variant } of asked) {
      const run = await runSuite(policy, suite, variant, { seed: config.seed, signal, onItem });
      results.push(run.result);
      transcripts.push(...run.transcripts);
      onEvent({ type: "suite", result: run.result, done });
    }
    return {
      checkpoint: policy.checkpointId,
      name: policy.name,
      hasAdapter: policy.hasAdapter,
      spoken: pickSpoken(transcripts, config.parityResponses, (text) => policy.tokenizer.encode(text)),
    };
  });
  // 3. What serving takes away.
  signal?.throwIfAborted();
  const parity =
    spoken.length > 0 ? await measureParity(config.model, spoken, { ...load, hasAdapter, signal }) : null;
  const madeAt = new Date().toISOString();
  const { precision } = load;
  const report = {
    format: 1,
    checkpoint,
    name,
    precision,
    madeAt,
    seed: config.seed,
    suites: results,
    parity,
  } as const;
  return { report, transcripts };
}

/**
 * Writes report and transcripts, each whole or not at all.
 * @throws EvalReportError for a report to compare with that cannot be read; what `evaluateCheckpoint` throws: nothing is
 * written then
 */
export async function runEval(
  config: EvalConfig & { precision: Precision },
  options: EvalOptions,
): Promise<EvalSummary> {
  const others = await Promise.all(config.against.map(readEvalReport));
  const { report, transcripts } = await evaluateCheckpoint(config, options);
  await mkdir(config.output, { recursive: true });
  const transcriptsPath = path.join(config.output, transcriptsFile);
  await writeWhole(transcriptsPath, transcripts.map((each) => `${JSON.stringify(each)}\n`).join(""));
  const reportPath = path.join(config.output, evalReportFile);
  await writeWhole(reportPath, `${JSON.stringify(report)}\n`);
  return {
    report: reportPath,
    transcripts: transcriptsPath,
    suites: report.suites.map(({ items: _, ...figures }) => figures),
    parity: report.parity,
    against: others.map((other) => ({
      checkpoint: other.checkpoint,
      name: other.name,
      deltas: compareResults(other.suites, report.suites, { seed: config.seed }),
    })),
  };
}

async function withPolicy<T>(
  folder: string,
  load: Parameters<typeof ServedPolicy.open>[1],
  use: (policy: ServedPolicy) => Promise<T>,
): Promise<T> {
  await using policy = await ServedPolicy.open(folder, load);
  return await use(policy);
}

async function findSuites(
  { suites }: Pick<EvalConfig, "suites">,
  { suitesFolder }: EvalOptions,
): Promise<Suite[]> {
  const named = suites ?? shippedSuites;
  const isName = (each: string) => !each.includes("/") && !each.includes(path.sep);
  return Promise.all(
    named.map((each) => readSuite(isName(each) ? path.join(suitesFolder, each) : path.resolve(each))),
  );
}

/** Drawn, for items often alternate in kind; always the same ones, in the order of the file. */
function thinned(suite: Suite, most: number | null): Suite {
  if (most === null || suite.items.length <= most || isPinned(suite.metric)) return suite;
  const drawn = new Set(permutation(1, 0, suite.items.length).subarray(0, most));
  return { ...suite, items: suite.items.filter((_, i) => drawn.has(i)) };
}

/** Spread over all that was said; the same ones for the same run. */
function pickSpoken(
  transcripts: readonly Transcript[],
  most: number,
  encode: (text: string) => number[],
): ParityInput[] {
  const spoken = transcripts.filter(
    ({ response, isFinished }) => isFinished !== null && response.trim() !== "",
  );
  const count = Math.min(most, spoken.length);
  return Array.from({ length: count }, (_, i) => spoken[Math.floor((i * spoken.length) / count)]).flatMap(
    (each) => (each ? [{ conversation: each.messages, response: encode(each.response) }] : []),
  );
}

async function writeWhole(file: string, text: string): Promise<void> {
  const handle = await open(`${file}.part`, "w");
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.part`, file);
}
