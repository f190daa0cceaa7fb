/** @file What counts as a leak between splits, and what k-fold splits keep apart. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldsByLabeler, foldsByPrompt } from "@/model/eval/reward/folds";
import { findLeaks, normaliseText, type SplitItem } from "@/model/eval/reward/leaks";

const item = (id: string, question: string, ...texts: string[]): SplitItem => ({
  id,
  prompt: [
    { role: "system", content: "Be brief." },
    { role: "user", content: question },
  ],
  responses: texts.map((text) => ({ text })),
});

describe("leaks", () => {
  test("case, white space and punctuation do not hide one", () => {
    expect(normaliseText("  What’s   UP,\n“dear”—Ｆriend?! ")).toBe("what s up dear friend");
    const found = findLeaks(
      [item("t1", "What is up?")],
      [item("h1", "what   is UP"), item("h2", "What is down?")],
    );
    expect(found).toEqual({
      prompts: 1,
      responses: 0,
      checked: 2,
      examples: [{ heldOut: "h1", training: "t1", shared: "prompt" }],
    });
  });

  test("a shared response of eight words counts, a shorter one is nobody's own", () => {
    const [long, short] = ["one two three four five six seven eight.", "I cannot help with that, sorry."];
    const training = [item("t1", "First?", long, short)];
    expect(findLeaks(training, [item("h1", "Second?", "Other.", long.toUpperCase())])).toMatchObject({
      prompts: 0,
      responses: 1,
      examples: [{ heldOut: "h1", training: "t1", shared: "response" }],
    });
    expect(findLeaks(training, [item("h1", "Second?", short)]).responses).toBe(0);
  });

  test("prompts of signs alone are told apart, and accents are not folded away", () => {
    expect(findLeaks([item("t1", "???")], [item("h1", "!!!")]).prompts).toBe(0);
    expect(normaliseText("été")).not.toBe(normaliseText("ete"));
  });

  test("the role of a turn is part of it, a system prompt is not", () => {
    const asked = { ...item("t1", ""), prompt: [{ role: "user" as const, content: "Hi" }] };
    const said = { ...asked, id: "h1", prompt: [{ role: "assistant" as const, content: "Hi" }] };
    expect(findLeaks([asked], [said]).prompts).toBe(0);
    expect(findLeaks([asked], [item("h2", "hi!")]).prompts).toBe(1);
  });
});

const items = fc.array(
  fc.record({
    prompt: fc.integer({ min: 0, max: 9 }).map(String),
    labeler: fc.option(fc.constantFrom("ann", "bob", "cy", "di")),
  }),
  { minLength: 1, maxLength: 40 },
);

describe("folds", () => {
  test("by prompt: every ranking is held out once, and no prompt is on both sides", () => {
    fc.assert(
      fc.property(
        items,
        fc.integer({ min: 2, max: 5 }),
        fc.integer({ min: 0, max: 99 }),
        (given, folds, seed) => {
          fc.pre(new Set(given.map(({ prompt }) => prompt)).size >= folds);
          const made = foldsByPrompt(given, { folds, seed });
          expect(made.flatMap(({ heldOut }) => heldOut).toSorted((a, b) => a - b)).toEqual([...given.keys()]);
          for (const { training, heldOut } of made) {
            expect(heldOut.length).toBeGreaterThan(0);
            expect(training.length + heldOut.length).toBe(given.length);
            const tested = new Set(heldOut.map((at) => given[at]?.prompt));
            expect(training.some((at) => tested.has(given[at]?.prompt))).toBe(false);
          }
        },
      ),
    );
  });

  test("by labeler: neither the labeler nor the prompt that is tested was trained on", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 2, max: 4 }), (given, folds) => {
        const named = new Set(given.flatMap(({ labeler }) => labeler ?? []));
        fc.pre(named.size >= folds);
        const made = foldsByLabeler(given, { folds, seed: 5 });
        const tested = made.flatMap(({ heldOut }) => heldOut).toSorted((a, b) => a - b);
        expect(tested).toEqual([...given.keys()].filter((at) => given[at]?.labeler !== null));
        for (const { training, heldOut } of made) {
          const [prompts, people] = [
            new Set(heldOut.map((at) => given[at]?.prompt)),
            new Set(heldOut.map((at) => given[at]?.labeler)),
          ];
          expect(training.some((at) => prompts.has(given[at]?.prompt))).toBe(false);
          expect(training.some((at) => people.has(given[at]?.labeler ?? null))).toBe(false);
        }
      }),
    );
  });

  test("the same split for the same prompts in any order, and of nearly equal size", () => {
    const given = Array.from({ length: 30 }, (_, at) => ({ prompt: String(at), labeler: null }));
    const keysOf = (source: typeof given) =>
      foldsByPrompt(source, { folds: 4, seed: 2 }).map(({ heldOut }) =>
        heldOut.map((at) => source[at]?.prompt ?? "").toSorted(),
      );
    expect(keysOf(given.toReversed())).toEqual(keysOf(given));
    expect(
      keysOf(given)
        .map(({ length }) => length)
        .toSorted(),
    ).toEqual([7, 7, 8, 8]);
  });

  test("refuses fewer prompts or labelers than folds, naming both", () => {
    const one = [{ prompt: "a", labeler: "ann" }];
    expect(() => foldsByPrompt(one, { folds: 2, seed: 0 })).toThrow("1 prompts cannot fill 2 folds.");
    expect(() => foldsByLabeler(one, { folds: 2, seed: 0 })).toThrow("1 labelers cannot fill 2 folds.");
    expect(() => foldsByPrompt(one, { folds: 1, seed: 0 })).toThrow("at least two");
  });
});
