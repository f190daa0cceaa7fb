/** @file A stage's JSON Schema as fields of a form: kinds, limits, defaults, groups. Knows JSON Schema as zod writes it. */

/** The parts of JSON Schema that settings use. */
type Schema = {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  default?: unknown;
  description?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
  items?: Schema;
};

type Common = { name: string; description: string; default: unknown; nullable: boolean };
export type Field =
  | (Common & { kind: "number"; isWhole: boolean; min: number | null; max: number | null })
  | (Common & { kind: "switch" })
  | (Common & { kind: "choice"; choices: string[] })
  | (Common & { kind: "text" })
  | (Common & { kind: "texts" })
  /** A list of groups: written as JSON. */
  | (Common & { kind: "json" })
  /** Its fields by the choice of one of several forms (`chosenBy`), or of the one form there is (null). */
  | (Common & {
      kind: "group";
      chosenBy: string | null;
      forms: { choice: string | null; fields: Field[] }[];
    });

/** Every setting in the schema's own order. */
export function readFields(settings: object): Field[] {
  return fieldsOf(settings as Schema);
}

/** What a run has where nothing is set. */
export function readDefaults(settings: object): Record<string, unknown> {
  return Object.fromEntries(readFields(settings).map((field) => [field.name, fillIn(field, field.default)]));
}

function fieldsOf(schema: Schema): Field[] {
  return Object.entries(schema.properties ?? {})
    .filter(([, inner]) => inner.const === undefined)
    .map(([name, inner]) => toField(name, inner));
}

function toField(name: string, schema: Schema): Field {
  const forms = schema.anyOf ?? [];
  const nullable = forms.some(({ type }) => type === "null");
  const inner = nullable ? (forms.find(({ type }) => type !== "null") ?? schema) : schema;
  const common = { name, description: schema.description ?? "", default: schema.default, nullable };
  if (inner.oneOf) return { ...common, kind: "group", ...readForms(inner.oneOf) };
  if (inner.enum) return { ...common, kind: "choice", choices: inner.enum.map(String) };
  switch (inner.type) {
    case "boolean":
      return { ...common, kind: "switch" };
    case "string":
      return { ...common, kind: "text" };
    case "array":
      return { ...common, kind: isTexts(inner) ? "texts" : "json" };
    case "object":
      return { ...common, kind: "group", chosenBy: null, forms: [{ choice: null, fields: fieldsOf(inner) }] };
    default:
      return { ...common, kind: "number", isWhole: inner.type === "integer", ...limitsOf(inner) };
  }
}

const isTexts = ({ items }: Schema) => items?.type === "string";

/** Forms that are told apart by a property with one value each. */
function readForms(forms: Schema[]) {
  const constants = Object.entries(forms[0]?.properties ?? {}).find(
    ([, { const: value }]) => value !== undefined,
  );
  const chosenBy = constants?.[0] ?? null;
  return {
    chosenBy,
    forms: forms.map((form) => ({
      choice: chosenBy === null ? null : String(form.properties?.[chosenBy]?.const),
      fields: fieldsOf(form),
    })),
  };
}

function limitsOf({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema) {
  const isWhole = type === "integer";
  const min =
    minimum ?? (exclusiveMinimum === undefined ? null : isWhole ? exclusiveMinimum + 1 : exclusiveMinimum);
  // zod gives every whole number the largest exact one as its limit, which says nothing.
  const max = maximum === Number.MAX_SAFE_INTEGER ? null : (maximum ?? exclusiveMaximum ?? null);
  return { min, max };
}

/** A group's own defaults under what is given of it. */
export function fillIn(field: Field, value: unknown): unknown {
  if (field.kind !== "group" || value === null || value === undefined) return value;
  const given = Object(value) as Record<string, unknown>;
  const form = formOf(field, given);
  const filled = form.fields.map((inner) => {
    const { name, default: standard } = inner;
    return [name, fillIn(inner, given[name] === undefined ? standard : given[name])] as const;
  });
  return {
    ...(field.chosenBy !== null && { [field.chosenBy]: form.choice }),
    ...Object.fromEntries(filled.filter(([, inner]) => inner !== undefined)),
  };
}

export function formOf(
  field: Extract<Field, { kind: "group" }>,
  value: Record<string, unknown>,
): { choice: string | null; fields: Field[] } {
  const chosen = field.chosenBy === null ? null : value[field.chosenBy];
  return (
    field.forms.find(({ choice }) => choice === chosen) ?? field.forms[0] ?? { choice: null, fields: [] }
  );
}

const groups: { title: string; names: string[] }[] = [
  {
    title: "",
    names: [
      ...[
        "architecture",
        "tokenizer",
        "epochs",
        "iterations",
        "episodesPerIteration",
        "responsesPerPrompt",
        "responseTokens",
        "seeds",
      ],
      ...["beta", "lr", "lora", "ensemble", "folds", "pretrainMix", "rowLength", "rowsPerBatch"],
    ],
  },
  {
    title: "Reward and KL",
    names: [
      ...["combine", "deviationFactor", "rewardWeight", "parts", "judge", "adaptiveKl", "scoreShift"],
      ...["scoreScale", "scoreClip", "unfinishedScore", "acceptFailedProbes", "acceptFallenAccuracy"],
    ],
  },
  { title: "Guard rails", names: ["guards"] },
  {
    title: "Policy and value updates",
    names: [
      ...["minibatches", "innerEpochs", "clip", "valueClip", "valueCoefficient", "gamma", "lambda", "whiten"],
      ...["mostApproxKl", "valueLr", "valueStart", "criticWarmup", "ema", "ptx"],
    ],
  },
  {
    title: "Optimizer",
    names: [
      ...["batchesPerStep", "schedule", "warmupSteps", "finalShare", "weightDecay", "maxGradientNorm"],
      ...["beta1", "beta2", "epsilon", "dropout", "initializerRange"],
    ],
  },
  {
    title: "Data",
    names: [
      "seed",
      "splitSeed",
      "validationShare",
      "onBadLine",
      "onLongExample",
      "onLongPrompt",
      "spikeFactor",
    ],
  },
  {
    title: "Evaluation, checkpoints and samples",
    names: [
      ...["evaluateEverySteps", "saveEverySteps", "samplePrompts", "sampleTokens", "sampleTemperature"],
      ...["evaluationPrompts", "bestOfSamples", "keepEpisodes", "foldsBy", "learningCurve"],
    ],
  },
  { title: "Machine", names: ["threads", "recompute", "tokensPerBatch"] },
];

/** The few that matter first (no title), then the rest by what they are about; none is left out. */
export function groupFields(fields: readonly Field[]): { title: string; fields: Field[] }[] {
  const named = groups.map(({ title, names }) => ({
    title,
    fields: names.flatMap((name) => fields.find((field) => field.name === name) ?? []),
  }));
  const known = groups.flatMap(({ names }) => names);
  const rest = { title: "More", fields: fields.filter(({ name }) => !known.includes(name)) };
  return [...named, rest].filter((group) => group.fields.length > 0);
}

/** "maxGradientNorm" → "Max gradient norm"; short names that people of the field know stay. */
export function fieldLabel(name: string): string {
  const known: Record<string, string> = {
    lr: "Learning rate",
    lora: "LoRA",
    pretrainMix: "Documents mixed in",
    ptx: "Documents learned beside (PPO-ptx)",
    beta: "KL coefficient (beta)",
    adaptiveKl: "Adaptive KL",
    klBudget: "KL budget",
    parts: "Further parts of the score",
    ema: "EMA of the policy",
    mostApproxKl: "Most approximate KL of a round",
    guards: "What pauses the run",
    bestOfSamples: "Best-of-n samples",
  };
  const words = name.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
  return known[name] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

/** The server's refusal, line by line: what belongs to a setting by its dotted name, and the rest. */
export function splitFaults(
  message: string,
  names: readonly string[],
): { faults: Map<string, string>; rest: string[] } {
  const faults = new Map<string, string>();
  const rest: string[] = [];
  for (const line of message.split("\n")) {
    const [, path = "", text = ""] = /^(?:config\.)?([\w.]+): (.+)$/.exec(line) ?? [];
    const top = path.split(".")[0] ?? "";
    if (names.includes(top)) faults.set(path, text);
    else rest.push(line);
  }
  return { faults, rest };
}
