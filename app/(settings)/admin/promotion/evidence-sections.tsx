/** @file The place of the evidence behind the gates: win rates, suites, safety. A section each; none is measured here yet. */
import type { ReactNode } from "react";

type Compared = { candidateId: string; opponentId: string };

/** By name, in the order of the page. */
const sections: Record<string, (compared: Compared) => ReactNode> = {};

export function EvidenceSections(compared: Compared) {
  return Object.entries(sections).map(([name, Part]) => <Part key={name} {...compared} />);
}
