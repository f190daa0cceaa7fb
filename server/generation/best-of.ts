/** @file Several answers to one request, written at once, and the choice among them. Stores nothing. */
import type { ChatMessage, GenerationEvent, GenerationRequest } from "@/model/runtime/types";
import type { Place } from "./admission";
import type { Generation } from "./generation";

/** One of the answers, as the events that made it: who plays them back makes it the answer. */
export type Draft = { events: GenerationEvent[]; text: string; isFinished: boolean };

/** How many are written to their end, of how many. */
export type DraftProgress = { written: number; of: number };

/** What a choice goes by. */
export type Candidates = { prompt: ChatMessage[]; responses: string[]; signal: AbortSignal };
export type Best = { index: number; score: number; rewardModelId: string };
/** @throws where nothing can be scored */
export type PickBest = (candidates: Candidates) => Promise<Best>;

type Writing = {
  checkpointId: string;
  request: GenerationRequest;
  count: number;
  /** Held for all of them together, and by whoever asks until all have ended. */
  place: Place;
  signal: AbortSignal;
  onEvent: (event: GenerationEvent, progress: DraftProgress) => void;
};

/**
 * Those that ended first come first; an aborted signal leaves them as far as they came. One that fails is left out.
 * @throws the first failure, where all fail
 */
export async function writeDrafts(generation: Generation, writing: Writing): Promise<Draft[]> {
  const { checkpointId, request, count, place, signal, onEvent } = writing;
  const shared: Place = { userId: place.userId, signal: place.signal, release: () => {} };
  const finished: Draft[] = [];
  const write = async (index: number): Promise<Draft> => {
    const draft: Draft = { events: [], text: "", isFinished: false };
    const { events } = generation.generate({ checkpointId }, withSeed(request, index), {
      place: shared,
      signal,
    });
    for await (const event of events) {
      draft.events.push(event);
      if (event.type === "token" || event.type === "finished") draft.text += event.text;
      if (event.type === "finished" && event.reason !== "cancelled") {
        draft.isFinished = true;
        finished.push(draft);
      }
      onEvent(event, { written: finished.length, of: count });
    }
    return draft;
  };
  const outcomes = await Promise.allSettled(Array.from({ length: count }, (_, index) => write(index)));
  const drafts = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (drafts.length === 0 && failure) throw failure.reason;
  return [...finished, ...drafts.filter((draft) => !draft.isFinished)];
}

/** A seed that was asked for makes the same answers again, each its own. */
function withSeed(request: GenerationRequest, index: number): GenerationRequest {
  const { seed } = request.sampling;
  if (seed === null) return request;
  return { ...request, sampling: { ...request.sampling, seed: (seed + index) % 2 ** 31 } };
}

/** Nobody waits longer for a choice than for most answers. */
const choiceLimitMs = 60_000;

/** @returns null where only one came to its end, or it was stopped meanwhile. @throws what `pick` throws, and when it takes too long */
export async function chooseDraft(
  pick: PickBest,
  { prompt, drafts, signal }: { prompt: ChatMessage[]; drafts: readonly Draft[]; signal: AbortSignal },
): Promise<{ draft: Draft; best: Best } | null> {
  const finished = drafts.filter(({ isFinished }) => isFinished);
  if (finished.length < 2 || signal.aborted) return null;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(choiceLimitMs)]);
  // A scorer ends the prompt that it is at; nobody waits for that.
  const cut = new Promise<never>((_, reject) =>
    limit.addEventListener("abort", () => reject(limit.reason), { once: true }),
  );
  const best = await Promise.race([
    pick({ prompt, responses: finished.map(({ text }) => text), signal: limit }),
    cut,
  ]);
  const draft = finished[best.index];
  if (!draft) throw new RangeError(`Of ${finished.length} answers number ${best.index} was chosen.`);
  return { draft, best };
}
