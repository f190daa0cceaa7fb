/** @file Asks a policy everything a suite has, in one of its ways, and scores what it says. */
import { refuses } from "../refusal";
import type { Conversation, PolicyResponse, ServedPolicy } from "../served-policy";
import { describeExpectation } from "./case-check";
import { figureNames, type ItemScore, likeliestOf, scoreChoice, scoreResponse } from "./score-item";
import { type Asked, isPinned, type Suite, type SuiteItem } from "./suite";
import {
  behaviourOf,
  figureWithInterval,
  type SuiteResult,
  type SuiteVariant,
  type Transcript,
} from "./suite-result";

export type SuiteRunOptions = {
  seed: number;
  signal?: AbortSignal | undefined;
  /** Told after each item. */
  onItem?: () => void;
};

/** The ways in which a suite can be asked. */
export function variantsOf({ metric, shots, reasoning }: Suite): SuiteVariant[] {
  if (metric === "bitsPerByte" || isPinned(metric)) return ["zeroShot"];
  return [
    "zeroShot",
    ...(shots.length > 0 ? (["fewShot"] as const) : []),
    ...(reasoning ? (["reasoning"] as const) : []),
  ];
}

export async function runSuite(
  policy: ServedPolicy,
  suite: Suite,
  variant: SuiteVariant,
  { seed, signal, onItem }: SuiteRunOptions,
): Promise<{ result: SuiteResult; transcripts: Transcript[] }> {
  const answered = await answerAll(policy, suite, variant, { seed, signal, onItem });
  const scores = answered.map(({ score }) => score);
  const [main, ...others] = figureNames[suite.metric];
  const names = [main, ...others];
  const sampled = answered.flatMap(({ response }) => response ?? []);
  const result: SuiteResult = {
    suite: suite.name,
    title: suite.title,
    sha256: suite.sha256,
    metric: suite.metric,
    variant,
    figures: names.map((name) => figureWithInterval(name, scores, seed)),
    slices: slicesOf(suite.items, scores).map(({ slice, scores: own }) => ({
      slice,
      items: own.length,
      figure: figureWithInterval(main, own, seed),
    })),
    behaviour: sampled.length > 0 ? behaviourOf(sampled, refuses) : null,
    cutItems: sampled.filter(({ isCut }) => isCut).length,
    items: suite.items.map(({ id, slice = null }, i) => ({ id, slice, ...(scores[i] ?? { values: {} }) })),
  };
  const transcripts = suite.items.map((item, i): Transcript => {
    const { messages, said, score, response } = answered[i] as Answered;
    return {
      suite: suite.name,
      variant,
      id: item.id,
      slice: item.slice ?? null,
      messages: [...messages],
      response: said,
      expected: expectedOf(item, suite.metric),
      values: score.values,
      isFinished: response?.isFinished ?? null,
    };
  });
  return { result, transcripts };
}

type Answered = { messages: Conversation; said: string; score: ItemScore; response: PolicyResponse | null };

async function answerAll(
  policy: ServedPolicy,
  suite: Suite,
  variant: SuiteVariant,
  options: SuiteRunOptions,
): Promise<Answered[]> {
  if (isOf(suite, "bitsPerByte")) return readTexts(policy, suite, options);
  const asked = variant === "reasoning" && suite.reasoning ? suite.reasoning : suite;
  const shots = variant === "zeroShot" ? [] : asked.shots;
  const ask = (item: { prompt: string }) => conversationOf({ ...asked, shots }, item.prompt);
  if (isOf(suite, "choice")) return chooseAll(policy, suite, ask, options);
  const items = suite.items as Exclude<SuiteItem, SuiteItem<"bitsPerByte">>[];
  const conversations = items.map((item) => ("messages" in item ? item.messages : ask(item)));
  const responses = await policy.respond(conversations, {
    maxTokens: asked.responseTokens,
    stop: suite.stop,
    seed: options.seed,
    signal: options.signal,
    ...(options.onItem && { onResponse: options.onItem }),
  });
  return items.map((item, i) => {
    const response = responses[i] as PolicyResponse;
    const messages = conversations[i] ?? [];
    return { messages, said: response.text, score: scoreResponse(response.text, item, suite), response };
  });
}

const isOf = <M extends Suite["metric"]>(suite: Suite, metric: M): suite is Suite<M> & Suite =>
  suite.metric === metric;

/** Examples are earlier turns, each with the instruction, as the item itself has it. */
export function conversationOf({ instruction, shots }: Pick<Asked, "instruction" | "shots">, prompt: string) {
  const put = (text: string) => (instruction === "" ? text : `${instruction}\n\n${text}`);
  return [
    ...shots.flatMap((shot) => [
      { role: "user" as const, content: put(shot.prompt) },
      { role: "assistant" as const, content: shot.response },
    ]),
    { role: "user" as const, content: put(prompt) },
  ];
}

async function chooseAll(
  policy: ServedPolicy,
  { items }: Suite<"choice">,
  ask: (item: { prompt: string }) => Conversation,
  { signal, onItem }: SuiteRunOptions,
): Promise<Answered[]> {
  const answered: Answered[] = [];
  for (const item of items) {
    signal?.throwIfAborted();
    const messages = ask(item);
    const logprobs = await policy.answerLogprobs(messages, item.choices);
    const score = scoreChoice(item, logprobs);
    answered.push({ messages, said: item.choices[likeliestOf(logprobs)] ?? "", score, response: null });
    onItem?.();
  }
  return answered;
}

async function readTexts(
  policy: ServedPolicy,
  { items }: Suite<"bitsPerByte">,
  { signal, onItem }: SuiteRunOptions,
): Promise<Answered[]> {
  const answered: Answered[] = [];
  for (const { text } of items) {
    signal?.throwIfAborted();
    const { logprobs, bytes } = await policy.textLogprobs(text);
    const bits = -logprobs.reduce((sum, value) => sum + value, 0) / Math.LN2;
    const score = { values: { bitsPerByte: bits / bytes }, weight: bytes };
    answered.push({ messages: [{ role: "assistant", content: text }], said: "", score, response: null });
    onItem?.();
  }
  return answered;
}

function slicesOf(items: readonly SuiteItem[], scores: readonly ItemScore[]) {
  const bySlice = new Map<string, number[]>();
  for (const [i, { slice = "" }] of items.entries()) bySlice.set(slice, [...(bySlice.get(slice) ?? []), i]);
  if (bySlice.size < 2) return [];
  return [...bySlice].map(([slice, places]) => ({
    slice: slice || "other",
    scores: places.flatMap((i) => scores[i] ?? []),
  }));
}

function expectedOf(item: SuiteItem, metric: Suite["metric"]): string {
  if (metric === "toxicity") return "nothing toxic";
  if ("references" in item) return item.references.map((each) => [each].flat().join(", ")).join("\n");
  if ("choices" in item) return item.choices[item.answer] ?? "";
  if ("refuse" in item) return item.refuse ? "a refusal" : "an answer";
  if ("expects" in item) return describeExpectation(item.expects);
  if ("lookFor" in item) return describeExpectation({ kind: "eyes", lookFor: item.lookFor });
  if ("rules" in item) return item.rules.map(({ type }) => type).join(", ");
  return "";
}
