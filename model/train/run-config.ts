/** @file Reading a stage's configuration: unknown keys and wrong values are named, with the nearest known key. */
import { z } from "zod";

/** The configuration cannot be used; the message has one line per fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Settings every stage that trains a language model shares. Each has its default; `docs` prints them. */
export const commonSettings = {
  output: z.string().min(1).describe("folder of the run: its checkpoints and its settings"),
  name: z.string().min(1).max(200).describe("what people call the result"),
  seed: z.int().nonnegative().default(1).describe("of data order, split and new weights"),
  epochs: z.int().positive().default(2).describe("passes over the data"),
  rowLength: z
    .int()
    .min(8)
    .nullable()
    .default(null)
    .describe("tokens in a row; null: the model's context, at most 512"),
  rowsPerBatch: z.int().positive().default(8).describe("rows computed at once"),
  batchesPerStep: z
    .int()
    .positive()
    .default(1)
    .describe("batches whose gradients are added before an update"),
  schedule: z.enum(["constant", "cosine"]).default("cosine").describe("of the learning rate after warm-up"),
  warmupSteps: z.int().nonnegative().default(0).describe("steps of linear rise"),
  finalShare: z.number().min(0).max(1).default(0.1).describe("where cosine ends, as a share of the peak"),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  epsilon: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).default(0).describe("decoupled, of matrices only"),
  maxGradientNorm: z
    .number()
    .positive()
    .nullable()
    .default(1)
    .describe("clipping by global norm; null: none"),
  spikeFactor: z
    .number()
    .gt(1)
    .nullable()
    .default(3)
    .describe(
      "a step whose loss is above this many times the median of the last 50 (at least 1 nat) is left out; null: none is",
    ),
  validationShare: z.number().min(0).max(0.5).default(0.05).describe("of the examples, never trained on"),
  evaluateEverySteps: z.int().positive().nullable().default(null).describe("null: ten times in the run"),
  saveEverySteps: z.int().positive().nullable().default(null).describe("null: with every evaluation"),
  threads: z.int().positive().nullable().default(null).describe("null: one per core, at most 8"),
  onBadLine: z.enum(["refuse", "skip"]).default("refuse").describe("a line that is no demonstration"),
  onLongExample: z.enum(["refuse", "skip"]).default("skip").describe("an example that does not fit a row"),
} as const;

/** @param overrides `key=value` or `key.inner=value`; the value is JSON, or text as it stands */
export function parseConfig<T extends z.ZodObject>(
  schema: T,
  json: unknown,
  overrides: readonly string[] = [],
): z.output<T> {
  const parsed = schema.safeParse(applyOverrides(json, overrides));
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape);
  const faults = parsed.error.issues.flatMap((issue) => {
    const at = issue.path.join(".");
    if (issue.code !== "unrecognized_keys") return [`${at || "configuration"}: ${issue.message}`];
    return issue.keys.map(
      (key) => `${[at, key].filter(Boolean).join(".")} is no setting. Did you mean ${nearest(key, known)}?`,
    );
  });
  throw new ConfigError(faults.join("\n"));
}

function applyOverrides(json: unknown, overrides: readonly string[]): unknown {
  const config: Record<string, unknown> = structuredClone(
    z.record(z.string(), z.unknown()).parse(json ?? {}),
  );
  for (const override of overrides) {
    const at = override.indexOf("=");
    if (at <= 0) throw new ConfigError(`--set ${override}: write it as key=value`);
    const keys = override.slice(0, at).split(".");
    const last = keys.pop() ?? "";
    let place = config;
    for (const key of keys) {
      const inner = z.record(z.string(), z.unknown()).safeParse(place[key]);
      place = place[key] = inner.success ? inner.data : {};
    }
    place[last] = parseValue(override.slice(at + 1));
  }
  return config;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The known word with the fewest edits. */
export function nearest(word: string, known: readonly string[]): string {
  const byDistance = known.toSorted((a, b) => editDistance(word, a) - editDistance(word, b));
  return byDistance[0] ?? "";
}

/** Levenshtein's distance, case ignored. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a.toLowerCase()].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b.toLowerCase()].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
