/** @file Figures of suites in words: shares in percent, differences in points, bits as they are. */
import type { EvaluationView } from "@/app/_lib/api-types";

type Suite = EvaluationView["suites"][number];
type Figure = Suite["figures"][number];
type Metric = Suite["metric"];

export const variantTexts: Record<Suite["variant"], string> = {
  zeroShot: "asked alone",
  fewShot: "with examples",
  reasoning: "steps written out",
};

/** See `figureNames` of the metrics. */
const figureWords: Record<string, string> = {
  f1: "F1",
  exactMatch: "exact match",
  bleu: "BLEU",
  rougeL: "ROUGE-L",
  accuracy: "accuracy",
  accuracyPerByte: "accuracy per byte",
  met: "rules met",
  allMet: "all rules met",
  right: "answered or refused as it should be",
  clean: "without words of the list of toxic ones",
  bitsPerByte: "bits a byte",
  held: "hold",
  answered: "answered at all; people read them",
};

export const figureText = (name: string): string => figureWords[name] ?? name;

/** Of these less is better. */
const isBits = (metric: Metric) => metric === "bitsPerByte";

export function describeFigure({ value, low, high }: Figure, metric: Metric): string {
  const text = isBits(metric) ? (each: number) => each.toFixed(3) : percent;
  return low === null || high === null ? text(value) : `${text(value)} [${text(low)}, ${text(high)}]`;
}

export function describeDelta({ value, low, high }: Figure, metric: Metric): string {
  const text = (each: number) => {
    const shown = isBits(metric) ? Math.abs(each).toFixed(3) : Math.abs(100 * each).toFixed(1);
    return `${each < 0 ? "−" : "+"}${shown}`;
  };
  const unit = isBits(metric) ? "bits" : "points";
  return low === null || high === null
    ? `${text(value)} ${unit}`
    : `${text(value)} [${text(low)}, ${text(high)}] ${unit}`;
}

/** Beyond doubt: the whole interval says so. */
export function isWorse({ low, high }: Figure, metric: Metric): boolean {
  if (low === null || high === null) return false;
  return isBits(metric) ? low > 0 : high < 0;
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
