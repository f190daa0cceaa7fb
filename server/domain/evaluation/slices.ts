/** @file By what the prompts of an evaluation are told apart: where a policy is worse may hide in a good mean. */
import type { ComparedTask } from "./read-judgments";

export const sliceKinds = ["source", "script", "turns", "promptLength", "responseLength", "reason"] as const;
export type SliceKind = (typeof sliceKinds)[number];
export type Slice = { by: SliceKind; value: string };

/** A task may have several reasons, and one of everything else. */
export function slicesOf(task: ComparedTask): Slice[] {
  return sliceKinds.flatMap((by) => valuesOf[by](task).map((value) => ({ by, value })));
}

export const isInSlice = (task: ComparedTask, { by, value }: Slice): boolean =>
  valuesOf[by](task).includes(value);

const valuesOf: Record<SliceKind, (task: ComparedTask) => string[]> = {
  source: ({ source }) => [source],
  script: ({ messages }) => [scriptOf(messages.map(({ content }) => content).join("\n"))],
  turns: ({ messages, before }) => {
    const turns = before.turns + messages.filter(({ role }) => role === "user").length;
    return [turns >= 3 ? "3 or more" : String(turns)];
  },
  promptLength: ({ messages, before }) => [
    bandOf(
      messages.reduce((sum, { content }) => sum + content.length, before.characters),
      [200, 1_000],
    ),
  ],
  // Of both together: the longer of two is no slice, as it says who wrote it.
  responseLength: ({ answers: [a, b] }) => [bandOf((a.text.length + b.text.length) / 2, [300, 1_200])],
  reason: ({ reasons }) => reasons,
};

/** Characters: below the first, up to the second, above. */
function bandOf(characters: number, [short, long]: readonly [number, number]): string {
  if (characters < short) return `under ${short}`;
  return characters <= long ? `${short} to ${long}` : `over ${long}`;
}

/**
 * The writing system most letters are of. Stands for the language where it tells one; Latin is that of many. Kana comes before
 * Han, which Japanese uses too.
 */
export function scriptOf(text: string): string {
  const counts = scripts.map(([name, pattern]) => ({ name, n: text.match(pattern)?.length ?? 0 }));
  const kana = counts.find(({ name }) => name === "Japanese")?.n ?? 0;
  const most = counts.reduce((best, each) => (each.n > best.n ? each : best));
  if (most.n === 0) return /\p{L}/u.test(text) ? "other" : "no letters";
  // A tenth of kana is more than any Chinese text has.
  return most.name === "Han" && kana * 10 >= most.n ? "Japanese" : most.name;
}

const scripts: [string, RegExp][] = [
  ["Latin", /\p{Script=Latin}/gu],
  ["Cyrillic", /\p{Script=Cyrillic}/gu],
  ["Greek", /\p{Script=Greek}/gu],
  ["Arabic", /\p{Script=Arabic}/gu],
  ["Hebrew", /\p{Script=Hebrew}/gu],
  ["Devanagari", /\p{Script=Devanagari}/gu],
  ["Bengali", /\p{Script=Bengali}/gu],
  ["Tamil", /\p{Script=Tamil}/gu],
  ["Thai", /\p{Script=Thai}/gu],
  ["Japanese", /[\p{Script=Hiragana}\p{Script=Katakana}]/gu],
  ["Korean", /\p{Script=Hangul}/gu],
  ["Han", /\p{Script=Han}/gu],
];
