/** @file Where an answered question goes in the text of the guidelines. */
import { expect, it } from "vitest";
import { withExample } from "@/server/domain/batches/guidelines-examples";

const first = { question: "Does tone count?", answer: "Only as far as it misleads." };

it("begins a section of examples at the end, quoting the question", () => {
  expect(withExample("# Guidelines\n\nBe fair.\n", first)).toBe(
    "# Guidelines\n\nBe fair.\n\n## Questions from labelers\n\n> Does tone count?\n\nOnly as far as it misleads.\n",
  );
});

it("adds to the end of that section, before whatever follows it", () => {
  const text = `${withExample("Be fair.", first)}\n## Flags\n\nUse them.\n`;
  const second = { question: "Two lines?\n\nYes", answer: " Quote both. " };
  expect(withExample(text, second)).toBe(
    "Be fair.\n\n## Questions from labelers\n\n> Does tone count?\n\nOnly as far as it misleads.\n\n" +
      "> Two lines?\n>\n> Yes\n\nQuote both.\n\n## Flags\n\nUse them.\n",
  );
});
