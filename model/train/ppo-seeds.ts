/** @file Several seeds of one configuration of PPO, one after the other, and what they come to together. */
import { type Spread, spreadOf } from "../eval/spread";
import { type PpoEvent, type PpoSummary, runPpo } from "./ppo";
import { EndpointError } from "./ppo/endpoint";
import { eachSeed, type PpoConfig } from "./ppo-config";
import { PausedError, type StageOptions } from "./run-loop";

export type SeedOutcome = {
  seed: number;
  output: string;
  /** Null where it is paused. */
  summary: PpoSummary | null;
  /** Why it is; null: it is not. */
  paused: string | null;
};

const figures = ["heldOutScoreBefore", "heldOutScore", "heldOutKl", "heldOutWin"] as const;

export type PpoSeedsSummary = {
  stage: "ppo";
  /** In their order; those that were not begun are missing. */
  seeds: SeedOutcome[];
  /** Over the finished ones, of each one's kept checkpoint; null where nothing is held out. */
  spread: Record<(typeof figures)[number], Spread | null>;
  finished: boolean;
};

/**
 * What pauses one seed leaves the others to run; the same call goes on with all that are not finished.
 * @throws what `runPpo` does, but for a pause of one seed
 */
export async function runPpoSeeds(
  config: PpoConfig,
  options: StageOptions<PpoEvent>,
): Promise<PpoSeedsSummary> {
  const configs = eachSeed(config);
  const seeds: SeedOutcome[] = [];
  for (const [i, own] of configs.entries()) {
    const text = `Seed ${own.seed} (${i + 1} of ${configs.length}) in ${own.output}`;
    options.onEvent({ type: "note", level: "info", text });
    const outcome = await runPpo(own, options).then(
      (summary) => ({ summary, paused: null }),
      (error: unknown) => ({ summary: null, paused: pauseOfOne(error) }),
    );
    seeds.push({ seed: own.seed, output: own.output, ...outcome });
    if (options.signal?.aborted) break;
  }
  const done = seeds.flatMap(({ summary }) => (summary?.finished ? summary : []));
  const spread = Object.fromEntries(
    figures.map((name) => [name, spreadOf(done.flatMap((summary) => summary[name] ?? []))]),
  ) as PpoSeedsSummary["spread"];
  return { stage: "ppo", seeds, spread, finished: done.length === configs.length };
}

/** What scores over HTTP and does not would pause all of them. */
function pauseOfOne(error: unknown): string {
  if (error instanceof PausedError && !(error instanceof EndpointError)) return error.message;
  throw error;
}
