/** @file Folding and splitting: what is alike, and into which split it falls for ever. */
import { describe, expect, it } from "vitest";
import { foldConversation, foldText } from "@/server/domain/prompts/fold-text";
import { splitOf } from "@/server/domain/prompts/split";

describe("folding", () => {
  it("forgets case, white space and the width of letters", () => {
    expect(foldText("  What\n\tIS\u00a0 Ｗide? ")).toBe("what is wide?");
  });

  it("begins with the newest turn and ends with the system prompt", () => {
    const folded = foldConversation([
      { role: "system", content: "Be kind." },
      { role: "user", content: "One" },
      { role: "assistant", content: "Two" },
      { role: "user", content: "Three" },
    ]);
    expect(folded).toBe("three\ntwo\none\nbe kind.");
  });
});

describe("the split", () => {
  const of = (ownerId: string | null, foldedText: string, group: string | null = null) =>
    splitOf({ ownerId, foldedText, group });

  it("goes by the owner, whatever the text; without one by the group, then by the text", () => {
    const texts = Array.from({ length: 50 }, (_, i) => `text ${i}`);
    expect(new Set(texts.map((text) => of("ann", text))).size).toBe(1);
    expect(new Set(texts.map((text) => of(null, text, "group"))).size).toBe(1);
    expect(new Set(texts.map((text) => of(null, text))).size).toBe(3);
  });

  it("never changes: these owners fell so when the rule was made", () => {
    const owners = Array.from({ length: 12 }, (_, i) => of(`owner-${i}`, ""));
    expect(owners.join(" ")).toBe(
      "train validation train train validation train train train train train train test",
    );
  });

  it("takes 80, 10 and 10 % of many owners, within two percent", () => {
    const counts = { train: 0, validation: 0, test: 0 };
    for (let i = 0; i < 10_000; i++) counts[of(`person ${i}`, "")] += 1;
    // Three standard deviations of a share of 0.1 over 10,000 draws are 0.9 %.
    expect(Math.abs(counts.train / 10_000 - 0.8)).toBeLessThan(0.02);
    expect(Math.abs(counts.validation / 10_000 - 0.1)).toBeLessThan(0.02);
    expect(Math.abs(counts.test / 10_000 - 0.1)).toBeLessThan(0.02);
  });
});
