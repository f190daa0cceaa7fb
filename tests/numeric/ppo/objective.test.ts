/** @file What must hold of every iteration of PPO, whatever is sampled; and what it makes of responses and numbers that are odd. */

import { expect, test, vi } from "vitest";
import type { Judged, PpoPrompt } from "@/model/train/ppo/episodes";
import { readEpisodes, update } from "@/model/train/ppo/iteration";
import { type PpoEvent, PpoObjective } from "@/model/train/ppo/ppo-objective";
import { copyOf } from "@/model/train/ppo/trained-arrays";
import { type PpoConfig, ppoConfigSchema } from "@/model/train/ppo-config";
import { PausedError } from "@/model/train/run-loop";
import { endToken, judged, newState, plainSettings, promptOf, tinyLearners } from "@/tests/helpers/tiny-ppo";

const prompts = [promptOf([3, 1]), promptOf([4, 0, 2, 5]), promptOf([5])];
const [first = promptOf([1]), second = first, third = first] = prompts;
// The end's token is what a tokenizer without a PAD of its own fills rows with; one of the prompts holds it too.
const responses = [
  judged(first, [2, 4, 1, endToken], 0.5),
  judged(second, [endToken], -1),
  judged(third, [1, 2, 3, 4], 2),
  judged(first, [5, endToken], 1),
];

function models(more: { responses?: readonly Judged[][] } = {}) {
  const { policy, value } = tinyLearners(6);
  const reference = copyOf(policy.trained);
  for (const { values } of policy.trained.values())
    for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (1 + 0.05 * Math.cos(i));
  let round = 0;
  const rollouts = { sample: async () => [...(more.responses?.[round] ?? responses)] };
  const scoring = {
    judge: async (all: readonly object[]) =>
      all.map((each, i) => ({ ...(more.responses?.[round] ?? responses)[i], ...each }) as Judged),
  };
  const next = () => void round++;
  return { policy, value, reference, rollouts, scoring, spell: () => "", next };
}

const settings = { ...plainSettings, whiten: true };

test("the score lands on the last token, the end included; every other token pays for its distance alone", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const { episodes } = await readEpisodes(all, responses, newState(0.3), {
    ...settings,
    unfinishedScore: -1,
  });
  expect(episodes.map(({ credit }) => credit)).toEqual([0.5, -1, -1, 1]);
  for (const { tokens, rewards, logprobs, refLogprobs, credit } of episodes) {
    expect(rewards).toHaveLength(tokens.length);
    for (const [t, reward] of rewards.entries()) {
      const penalty = -0.3 * ((logprobs[t] ?? NaN) - (refLogprobs[t] ?? NaN));
      expect(reward).toBeCloseTo(penalty + (t === tokens.length - 1 ? credit : 0), 6);
      expect(penalty).not.toBe(0);
    }
  }
});

test("what is read of a response is the same beside longer ones, though its end is what rows are filled with", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const { episodes } = await readEpisodes(all, responses, newState(0.3), settings);
  for (const [i, response] of responses.entries()) {
    const alone = await readEpisodes(all, [response], newState(0.3), settings);
    for (const name of ["logprobs", "refLogprobs", "values"] as const) {
      const [together, own] = [episodes[i]?.[name], alone.episodes[0]?.[name]];
      expect(together).toHaveLength(response.tokens.length);
      for (const [t, number] of (own ?? []).entries()) expect(together?.[t]).toBeCloseTo(number, 5);
    }
  }
});

test("before the first update each ratio is 1; advantages have mean 0 and deviation 1 over all tokens", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const { episodes } = await readEpisodes(all, responses, newState(0.3), settings);
  const advantages = episodes.flatMap((episode) => [...episode.advantages]);
  const mean = advantages.reduce((sum, x) => sum + x, 0) / advantages.length;
  expect(mean).toBeCloseTo(0, 9);
  expect(advantages.reduce((sum, x) => sum + x * x, 0) / advantages.length).toBeCloseTo(1, 6);
  const { firstRatioGap, metrics } = await update(
    all,
    episodes,
    { step: 0, lr: 0.01 },
    { ...settings, texts: null },
  );
  expect(firstRatioGap).toBeLessThan(1e-4);
  expect(metrics.skippedUpdates).toBe(0);
});

test("updates end early beyond mostApproxKl, and the policy stays where it was then", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const { episodes } = await readEpisodes(all, responses, newState(0.3), settings);
  const steps = vi.spyOn(all.policy, "step");
  const more = { ...settings, innerEpochs: 3, lr: 0.1, mostApproxKl: 1e-3, texts: null };
  const { metrics } = await update(all, episodes, { step: 0, lr: 0.1 }, more);
  // The first is always near; after one such step no further one is.
  expect(steps).toHaveBeenCalledTimes(2);
  expect(metrics.skippedUpdates).toBe(1);
  expect(all.policy.optimizer.stepCount).toBe(1);
  expect(all.value.optimizer.stepCount).toBe(6);
});

test("a minibatch that is no number is left out alone, and what is told of the others is one", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const { episodes } = await readEpisodes(all, responses, newState(0.3), settings);
  const spoiled = episodes.map((episode, i) =>
    i === 0 ? { ...episode, returns: episode.returns.map(() => NaN) } : episode,
  );
  const { metrics, applied } = await update(
    all,
    spoiled,
    { step: 0, lr: 0.01 },
    { ...settings, texts: null },
  );
  expect({ applied, skipped: metrics.skippedUpdates }).toEqual({ applied: true, skipped: 1 });
  expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
  expect(all.value.optimizer.stepCount).toBe(1);
});

test("the reference's mean score becomes 0 with the first responses that end, not with ones that were cut", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const own = { ...settings, scoreShift: "reference" as const, unfinishedScore: -1 };
  const cut = [judged(first, [1, 2, 3, 4], 7)];
  const before = await readEpisodes(all, cut, newState(0.3), own);
  expect(before.state).toMatchObject({ shift: null, scores: { count: 0 } });
  const after = await readEpisodes(all, responses, before.state, own);
  expect(after.state.shift).toBeCloseTo(-(0.5 - 1 + 1) / 3, 9);
  const later = await readEpisodes(all, cut, after.state, own);
  expect(later.state.shift).toBe(after.state.shift);
});

function objectiveOf(
  all: ReturnType<typeof models>,
  more: Record<string, unknown> = {},
  { texts = null, heldOut = [] }: { texts?: number[][] | null; heldOut?: PpoPrompt[] } = {},
) {
  const events: PpoEvent[] = [];
  const config: PpoConfig = ppoConfigSchema.parse({
    output: "run",
    model: "policy",
    rewardModels: ["reward"],
    data: ["prompts.jsonl"],
    episodesPerIteration: 4,
    responseTokens: 4,
    minibatches: 2,
    criticWarmup: 0,
    validationShare: 0,
    bestOfSamples: null,
    ...more,
  });
  const objective = new PpoObjective({
    config: { ...config, lr: 0.01, valueLr: 0.01 },
    models: all,
    training: prompts,
    heldOut,
    texts,
    resumed: null,
    writeWeights: async () => {},
    onEvent: (event) => events.push(event),
  });
  return { objective, events };
}

test("a policy that ends every answer at once is told of before it learns anything, and once", async () => {
  const empty = [first, second, third, first].map((prompt, i) => judged(prompt, [endToken], i));
  const all = models({ responses: [empty, empty] });
  await using _policy = all.policy;
  await using _value = all.value;
  const { objective, events } = objectiveOf(all);
  await objective.advance({ step: 0, lr: 0.01 });
  await objective.advance({ step: 1, lr: 0.01 });
  const notes = events.flatMap((event) => (event.type === "note" ? [event] : []));
  expect(notes).toEqual([
    {
      type: "note",
      level: "warn",
      text: expect.stringMatching(/^4 of 4 responses are nothing but their end/),
    },
  ]);
  expect(events.findIndex(({ type }) => type === "note")).toBe(0);
  // One of four is no such policy.
  const other = models();
  await using _policy2 = other.policy;
  await using _value2 = other.value;
  const usual = objectiveOf(other);
  await usual.objective.advance({ step: 0, lr: 0.01 });
  expect(usual.events.some(({ type }) => type === "note")).toBe(false);
});

test("a score that is no number pauses the run before anything has changed", async () => {
  const spoiled = responses.map((response, i) => (i === 2 ? judged(third, response.tokens, NaN) : response));
  const all = models({ responses: [spoiled] });
  await using _policy = all.policy;
  await using _value = all.value;
  const { objective } = objectiveOf(all);
  const [state, weights] = [structuredClone(objective.stage.state), copyOf(objective.learner.trained)];
  const refused = objective.advance({ step: 0, lr: 0.01 });
  await expect(refused).rejects.toThrow(PausedError);
  await expect(refused).rejects.toThrow(
    /the part rewardModel of the score said of a response to prompts\.jsonl:1/,
  );
  expect(objective.stage.state).toEqual(state);
  for (const [name, { values }] of weights)
    expect(objective.learner.trained.get(name)?.values, name).toEqual(values);
});

test("text beside the updates comes in the share that was asked for, also where a minibatch gets less than one", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const texts = [
    [1, 2, 3],
    [2, 3, 4, 5],
    [5, 4],
  ];
  const { objective } = objectiveOf(
    all,
    { ptx: { data: ["text"], perEpisode: 0.25, coefficient: 1 }, minibatches: 4 },
    { texts },
  );
  const steps = vi.spyOn(all.policy, "step");
  await objective.advance({ step: 0, lr: 0.01 });
  const rows = steps.mock.calls.map(([targets]) => targets.slice(1).flatMap(({ groups }) => groups).length);
  expect(rows).toHaveLength(4);
  expect(rows.reduce((sum, count) => sum + count, 0)).toBe(1);
});

test("a coefficient of the text that is left to the run makes its gradient as long as PPO's", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const texts = [
    [1, 2, 3, 4],
    [5, 4, 2],
  ];
  const { objective, events } = objectiveOf(all, { ptx: { data: ["text"], perEpisode: 1 } }, { texts });
  const norms = vi.spyOn(all.policy, "gradientNorm");
  await objective.advance({ step: 0, lr: 0.01 });
  const [ofPpo = 0, ofText = 0] = await Promise.all(norms.mock.results.map(({ value }) => value));
  expect(ofText).toBeGreaterThan(0);
  expect(objective.stage.state.ptxCoefficient).toBeCloseTo(ofPpo / ofText, 9);
  expect(events).toContainEqual(expect.objectContaining({ type: "note", level: "info" }));
});

test("with a running mean what is measured is the mean, as a checkpoint holds it, and the policy is as it was", async () => {
  const all = models();
  await using _policy = all.policy;
  await using _value = all.value;
  const { objective } = objectiveOf(all, { ema: 0.9999 }, { heldOut: responses.map(({ prompt }) => prompt) });
  const klOfStart = (await objective.evaluate?.(0))?.heldOutKl ?? NaN;
  const start = copyOf(all.policy.trained);
  await objective.advance({ step: 0, lr: 0.3 });
  const learned = copyOf(all.policy.trained);
  expect(learned).not.toEqual(start);
  const klOfMean = (await objective.evaluate?.(0))?.heldOutKl ?? NaN;
  // After such steps the policy itself is elsewhere; its mean has hardly moved.
  expect(Math.abs(klOfMean / klOfStart - 1)).toBeLessThan(0.02);
  expect(all.policy.trained).toEqual(learned);
  const plain = objectiveOf(all, {}, { heldOut: responses.map(({ prompt }) => prompt) }).objective;
  expect((await plain.evaluate?.(0))?.heldOutKl).toBeGreaterThan(1.5 * klOfStart);
});
