/** @file A run that went too far as a picture: the score it was optimised for above, what it was meant for below. */
import type { LearnedSeed } from "./ppo-seed";

const [width, panel, left, top] = [640, 150, 56, 34];
const gap = 44;

/** Two panels over the same iterations, a rule at where a guard rail spoke. @returns an SVG document, legible on light and on dark */
export function drawOverOptimised({ curve, paused }: Pick<LearnedSeed, "curve" | "paused">): string {
  const last = Math.max(1, curve.at(-1)?.step ?? 1);
  const x = (step: number) => left + (step / last) * (width - left - 16);
  const height = top + 2 * panel + gap + 40;
  const panels = [
    { title: "Score, by the reward model it learned from", values: curve.map(({ score }) => score), y: top },
    {
      title: "Gold: what the score stands for, never learned from",
      values: curve.map(({ gold }) => gold),
      y: top + panel + gap,
    },
  ];
  const steps = curve.map(({ step }) => x(step));
  const stop =
    paused === null
      ? ""
      : `<line class="rule" x1="${x(paused.step)}" x2="${x(paused.step)}" y1="${top}" y2="${height - 40}"/><text x="${x(paused.step) + 5}" y="${height - 46}">a guard rail spoke</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="Score and gold by iteration">
<style>
text { font: 12px system-ui, sans-serif; fill: #52525b }
.line { fill: none; stroke: #2563eb; stroke-width: 1.6 }
.axis { stroke: #a1a1aa }
.rule { stroke: #b45309; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) { text { fill: #d4d4d8 } .line { stroke: #60a5fa } .rule { stroke: #fbbf24 } }
</style>
${panels.map((each) => drawPanel(each, steps)).join("\n")}
${stop}
<text x="${left}" y="${height - 12}">iteration 0</text><text x="${width - 16}" y="${height - 12}" text-anchor="end">${last}</text>
</svg>
`;
}

function drawPanel(
  { title, values, y }: { title: string; values: readonly number[]; y: number },
  steps: readonly number[],
): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = (value: number) => y + panel - ((value - low) / (high - low || 1)) * panel;
  const points = values.map((value, i) => `${steps[i]?.toFixed(1)},${place(value).toFixed(1)}`).join(" ");
  const label = (value: number) =>
    `<text x="${left - 8}" y="${place(value) + 4}" text-anchor="end">${value.toFixed(2)}</text>`;
  return `<text x="${left}" y="${y - 10}">${title}</text>
<line class="axis" x1="${left}" x2="${left}" y1="${y}" y2="${y + panel}"/>${label(low)}${label(high)}
<polyline class="line" points="${points}"/>`;
}
