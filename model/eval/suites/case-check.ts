/** @file What a regression case asks of a response: rules that hold or do not, a floor under a metric, or a person's eyes. */
import { runInNewContext } from "node:vm";
import { z } from "zod";
import { goldRuleSchema, goldScore } from "../gold";
import { bleuCounts, bleuOf } from "../metrics/bleu";
import { scoreNumber } from "../metrics/last-number";
import { rougeL } from "../metrics/rouge";
import { scoreSquadAnswer } from "../metrics/squad";
import { refuses } from "../refusal";

const text = z.string().min(1).max(2000);
const containsSchema = z.strictObject({ type: z.literal("contains"), text: text.describe("in any case") });
const lacksSchema = z.strictObject({ type: z.literal("notContains"), text: text.describe("in any case") });
const matchesSchema = z.strictObject({
  type: z.literal("matches"),
  pattern: z
    .string()
    .min(1)
    .max(200)
    .refine(isPattern, "is no regular expression")
    .describe("a regular expression of JavaScript, with the flag u"),
});
const jsonSchema = z.strictObject({ type: z.literal("json") }).describe("the whole response is JSON");
const refusalSchema = z.strictObject({ type: z.literal("refusal"), refuse: z.boolean() });

/** Those of the gold judge, and those that only cases need. */
export const checkRuleSchema = z.discriminatedUnion("type", [
  ...goldRuleSchema.options,
  containsSchema,
  lacksSchema,
  matchesSchema,
  jsonSchema,
  refusalSchema,
]);
export type CheckRule = z.infer<typeof checkRuleSchema>;

export const referenceMetrics = ["squad", "rougeL", "bleu", "number"] as const;
export type ReferenceMetric = (typeof referenceMetrics)[number];

const checkSchema = z.strictObject({
  kind: z.literal("check"),
  rules: z.array(checkRuleSchema).min(1).max(20),
});
const referenceSchema = z.strictObject({
  kind: z.literal("reference"),
  metric: z.enum(referenceMetrics),
  references: z.array(z.string().min(1).max(20_000)).min(1).max(20),
  floor: z.number().min(0).max(1).describe("the least that the metric may be, 1 for the reference itself"),
});
const eyesSchema = z.strictObject({
  kind: z.literal("eyes"),
  lookFor: z.string().max(2000).default("").describe("what a person who reads the response looks for"),
});

/** What can be told without a person. */
export const machineCheckSchema = z.discriminatedUnion("kind", [checkSchema, referenceSchema]);
export const expectationSchema = z.discriminatedUnion("kind", [checkSchema, referenceSchema, eyesSchema]);
export type MachineCheck = z.infer<typeof machineCheckSchema>;
export type Expectation = z.infer<typeof expectationSchema>;

const metrics: Record<ReferenceMetric, (response: string, references: string[]) => number> = {
  squad: (response, references) => scoreSquadAnswer(response, references).f1,
  rougeL,
  bleu: (response, references) => bleuOf([bleuCounts(response, references)], { effectiveOrder: true }) / 100,
  number: scoreNumber,
};

export function holds(response: string, check: MachineCheck): boolean {
  if (check.kind === "check") return check.rules.every((rule) => isMet(response, rule));
  // Sums of shares are off by a rounding: a reference reaches its own floor of 1.
  return metrics[check.metric](response, check.references) >= check.floor - 1e-9;
}

function isMet(response: string, rule: CheckRule): boolean {
  const has = (part: string) => response.toLowerCase().includes(part.toLowerCase());
  switch (rule.type) {
    case "contains":
      return has(rule.text);
    case "notContains":
      return !has(rule.text);
    case "matches":
      return matches(rule.pattern, response);
    case "json":
      return isJson(response);
    case "refusal":
      return refuses(response) === rule.refuse;
    default:
      return goldScore(response, [rule]).score === 1;
  }
}

/** A pattern that goes back and forth over a text for ever is not met by it: whoever pinned it did not mean that. */
function matches(pattern: string, text: string): boolean {
  try {
    return (
      runInNewContext('new RegExp(pattern, "u").test(text)', { pattern, text }, { timeout: 1_000 }) === true
    );
  } catch {
    return false;
  }
}

function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u") instanceof RegExp;
  } catch {
    return false;
  }
}

function isJson(response: string): boolean {
  try {
    JSON.parse(response);
    return true;
  } catch {
    return false;
  }
}

const metricNames: Record<ReferenceMetric, string> = {
  squad: "F1",
  rougeL: "ROUGE-L",
  bleu: "BLEU",
  number: "the last number",
};

/** For people. */
export function describeExpectation(expects: Expectation): string {
  switch (expects.kind) {
    case "check":
      return expects.rules.map(describeRule).join("\n");
    case "reference": {
      const floor = `${(100 * expects.floor).toFixed(0)} %`;
      return `${metricNames[expects.metric]} of at least ${floor} against:\n${expects.references.join("\n")}`;
    }
    case "eyes":
      return expects.lookFor === "" ? "a person reads it" : `a person reads it: ${expects.lookFor}`;
  }
}

function describeRule(rule: CheckRule): string {
  switch (rule.type) {
    case "contains":
      return `contains “${rule.text}”`;
    case "notContains":
      return `does not contain “${rule.text}”`;
    case "matches":
      return `matches /${rule.pattern}/u`;
    case "json":
      return "is JSON";
    case "refusal":
      return rule.refuse ? "refuses" : "does not refuse";
    case "words":
      return `has the words ${rule.words.join(", ")}`;
    case "length":
      return `has ${rule.least} to ${rule.most} words`;
    case "format":
      return rule.items === null ? "is no list" : `is a list of ${rule.items} items`;
    case "noRepetition":
      return "repeats no three words";
    case "ending":
      return "ends as a sentence does";
    case "answer":
      return `is “${rule.text}”`;
  }
}
