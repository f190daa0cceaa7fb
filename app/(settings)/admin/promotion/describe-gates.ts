/** @file Gates in words: how many stand in the way, and what is kept of them with a decision. */
import type { PromotionGate } from "@/app/_lib/api-types";

export const outcomeWords: Record<PromotionGate["outcome"], string> = {
  failed: "does not hold",
  overridden: "set aside",
  passed: "holds",
  off: "not asked for",
};

export function describeGates(gates: readonly Pick<PromotionGate, "outcome">[]): string {
  const count = (outcome: PromotionGate["outcome"]) =>
    gates.filter((gate) => gate.outcome === outcome).length;
  const failed = count("failed");
  if (failed > 0) return `${failed === 1 ? "1 gate does" : `${failed} gates do`} not hold.`;
  const [held, setAside, off] = [count("passed"), count("overridden"), count("off")];
  if (held === gates.length) return "All gates hold.";
  const parts = [
    `${held} ${held === 1 ? "holds" : "hold"}`,
    ...(setAside ? [`${setAside} set aside`] : []),
    ...(off ? [`${off} off`] : []),
  ];
  return `No gate stands in the way: ${parts.join(", ")}.`;
}

type Kept = {
  gates?: readonly Pick<PromotionGate, "title" | "says" | "outcome" | "override">[];
  findings?: readonly { says: string }[];
};

/** A line for each gate that a decision was judged by, or for each figure that a policy was taken back for. */
export function describeKept(evidence: unknown): string[] {
  // Written by the server alone: a decision, what was watched, or nothing.
  const { gates = [], findings = [] } = (evidence ?? {}) as Kept;
  return [
    ...gates
      .filter(({ outcome }) => outcome !== "off")
      .map(
        ({ title, says, outcome, override }) =>
          `${title} ${outcomeWords[outcome]}: ${says}${override ? ` (${override.reason})` : ""}`,
      ),
    ...findings.map(({ says }) => says),
  ];
}
