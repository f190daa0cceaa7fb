/** @file Reading a stage's configuration: unknown keys and wrong values are named, with the nearest known key. */
import { z } from "zod";

/** The configuration cannot be used; the message has one line per fault. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Settings every stage that trains a language model shares; `--schema` prints them with their defaults. */
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
  beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW: decay of the first moment"),
  beta2: z.number().min(0).lt(1).default(0.95).describe("AdamW: decay of the second moment"),
  epsilon: z.number().positive().default(1e-8).describe("AdamW: added to the root of the second moment"),
  weightDecay: z.number().min(0).default(0).describe("decoupled, of matrices only"),
  maxGradientNorm: z
    .number()
    .positive()
    .nullable()
    .default(1)
    .describe("clipping by global norm; null: none"),
  dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("share of elements zeroed in the embeddings and in what each half of a layer adds"),
  recompute: z
    .boolean()
    .default(false)
    .describe("compute each layer again in the backward pass instead of keeping it: slower, far less memory"),
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
  saveEverySteps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("null: with every evaluation; the best so far is always saved"),
  samplePrompts: z
    .array(z.string().min(1))
    .nullable()
    .default(null)
    .describe("prompts answered as the model learns; null: three held-out ones"),
  sampleTokens: z.int().nonnegative().default(48).describe("longest sampled response; 0: none is sampled"),
  sampleTemperature: z.number().min(0).max(2).default(0).describe("of sampled responses; 0 is greedy"),
  threads: z.int().positive().nullable().default(null).describe("null: one per core, at most 8"),
  onBadLine: z.enum(["refuse", "skip"]).default("refuse").describe("a line that is no demonstration"),
  onLongExample: z.enum(["refuse", "skip"]).default("skip").describe("an example that does not fit a row"),
} as const;

/** The contract for other programs that write a configuration or train by one: JSON Schema of what may be given. */
export function settingsSchema(schema: z.ZodObject, stage: string): z.core.JSONSchema.BaseSchema {
  return { title: `Settings of attune ${stage}`, ...z.toJSONSchema(schema, { io: "input" }) };
}

/** @param overrides `key=value` or `key.inner=value`; the value is JSON, or text as it stands */
export function parseConfig<T extends z.ZodObject>(
  schema: T,
  json: unknown,
  overrides: readonly string[] = [],
): z.output<T> {
  const parsed = schema.safeParse(applyOverrides(json, overrides));
  if (parsed.success) return parsed.data;
  const known = settingNames(schema);
  throw new ConfigError(parsed.error.issues.flatMap((issue) => describeFault(issue, [], known)).join("\n"));
}

function describeFault(
  issue: z.core.$ZodIssue,
  parent: readonly PropertyKey[],
  known: readonly string[],
): string[] {
  const path = [...parent, ...issue.path];
  const at = path.join(".");
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // Of several forms the one that was meant: not refused for being of another type altogether.
    const meant = issue.errors.find(([first]) => first?.code !== "invalid_type" || first.path.length > 0);
    if (meant) return meant.flatMap((inner) => describeFault(inner, path, known));
  }
  if (issue.code !== "unrecognized_keys") return [`${at || "configuration"}: ${issue.message}`];
  return issue.keys.map((key) => {
    const name = [at, key].filter(Boolean).join(".");
    const meant = nearestSetting(name, known);
    if (meant === name) return `${name} does not go with the other settings of ${at}.`;
    return `${name} is no setting. Did you mean ${meant}?`;
  });
}

/** All settings by their dotted names, those inside of others too. */
function settingNames(schema: z.core.$ZodType, parent = ""): string[] {
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, inner]) => [
      `${parent}${key}`,
      ...settingNames(inner, `${parent}${key}.`),
    ]);
  }
  if (schema instanceof z.ZodUnion) {
    return [...new Set(schema.options.flatMap((option) => settingNames(option, parent)))];
  }
  const isWrapped =
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodNullable;
  return isWrapped ? settingNames(schema.unwrap(), parent) : [];
}

/** By its whole name; by its last word alone (rank for lora.rank) where that is nearer. */
function nearestSetting(name: string, known: readonly string[]): string {
  const last = (dotted: string) => dotted.slice(dotted.lastIndexOf(".") + 1);
  const distance = (each: string) =>
    Math.min(editDistance(name, each), editDistance(last(name), last(each)) + 0.5);
  return known.toSorted((a, b) => distance(a) - distance(b))[0] ?? "";
}

/** @param overrides as those of `parseConfig`. @throws ConfigError for one that is no key=value */
export function applyOverrides(json: unknown, overrides: readonly string[]): Record<string, unknown> {
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
