/** @file POST /v1/chat/completions: generates the choices side by side, answers whole or as a stream, keeps the record. */
import { randomUUID } from "node:crypto";
import type { ChatMessage, GenerationRequest, Sampling } from "@/model/runtime/types";
import { resolveSampling } from "../domain/sampling";
import { readSettings } from "../domain/settings";
import { AppError, isAppError } from "../errors";
import type { Place } from "../generation/admission";
import { chatServices } from "../generation/chat-services";
import { explainFailure } from "../generation/explain-failure";
import type { Answering } from "../generation/generation";
import { log } from "../log";
import { errorBody } from "./api-error";
import type { ApiCall } from "./api-route";
import { type ChatCall, readChatRequest } from "./chat-request";
import { type ApiLogprobs, applyEvent, type Choice, finishReason, newChoice } from "./choices";
import { chooseModel } from "./choose-model";
import { mergeStreams } from "./merge-streams";
import { recordCompletion } from "./record-completion";
import { sseResponse } from "./sse-response";

type Completion = {
  call: ChatCall;
  checkpoint: { id: string };
  channel: string | null;
  sampling: Sampling;
  choices: Choice[];
  answers: Answering[];
  /** Of the question: names the completion, and the stored message if it is stored. */
  questionId: string;
  created: number;
};

/** @throws {AppError} before anything is generated; afterwards a stream carries its error itself */
export async function completeChat(request: Request, api: ApiCall): Promise<Response> {
  const call = await readChatRequest(request);
  const left = new AbortController();
  const completion = await begin(call, api, AbortSignal.any([request.signal, left.signal]));
  return call.isStream
    ? sseResponse(chunks(completion, api), () => left.abort())
    : answerChat(completion, api);
}

/** @param signal aborted when the client leaves */
async function begin(call: ChatCall, { db, holder }: ApiCall, signal: AbortSignal): Promise<Completion> {
  const { generation } = chatServices();
  const target = await chooseModel(db, holder.user, call.model);
  const { defaultSampling, defaultSystemPrompt } = await readSettings(db);
  const sampling = resolveSampling(defaultSampling, call.sampling);
  const system = call.systemPrompt || defaultSystemPrompt;
  const messages: ChatMessage[] = system ? [{ role: "system", content: system }, ...call.turns] : call.turns;
  // All choices come from one checkpoint, even if the channel moves in between. A conversation is known by how it began.
  const { checkpointId, channel } =
    "channel" in target
      ? generation.route(target.channel, `${holder.user.id} ${call.turns[0]?.content ?? ""}`)
      : { ...target, channel: null };
  const places = admitAll(holder.user.id, call.choices);
  const answers = places.map((place, index) => {
    const seed = sampling.seed === null ? null : (sampling.seed + index) % 2 ** 31;
    const generationRequest: GenerationRequest = {
      messages,
      sampling: { ...sampling, seed },
      ...(call.topLogprobs !== null && { topLogprobs: Math.max(1, call.topLogprobs) }),
      priority: "chat",
    };
    return generation.generate({ checkpointId }, generationRequest, { place, signal });
  });
  return {
    call,
    checkpoint: { id: checkpointId },
    channel,
    sampling,
    choices: places.map((_, index) => newChoice(index)),
    answers,
    questionId: randomUUID(),
    created: Math.floor(Date.now() / 1000),
  };
}

/** All or none. */
function admitAll(userId: string, count: number): Place[] {
  const places: Place[] = [];
  try {
    for (let index = 0; index < count; index++) places.push(chatServices().generation.admit(userId));
    return places;
  } catch (error) {
    for (const place of places) place.release();
    throw error;
  }
}

type Piece = { choice: Choice; text: string; logprobs: ApiLogprobs | null };

/** The pieces of all choices as they come. When the client leaves, what came so far is recorded. */
async function* generate(completion: Completion, api: ApiCall): AsyncGenerator<Piece, void, void> {
  const streams = completion.answers.map(({ events }, index) => label(events, index));
  try {
    for await (const { value: event, index } of mergeStreams(streams)) {
      const choice = completion.choices[index];
      if (choice) yield { choice, ...applyEvent(choice, event) };
    }
  } finally {
    await recordCompletion(api.db, { ...completion, holder: api.holder }).catch((err: unknown) =>
      log.error({ err, requestId: api.requestId }, "API traffic could not be stored"),
    );
  }
}

async function* label<T>(events: AsyncIterable<T>, index: number) {
  for await (const value of events) yield { value, index };
}

async function answerChat(completion: Completion, api: ApiCall): Promise<Response> {
  const { call, choices } = completion;
  try {
    for await (const _piece of generate(completion, api));
  } catch (error) {
    if (isAppError(error)) throw error;
    log.warn({ err: error, requestId: api.requestId }, "API answer failed");
    throw new AppError("UNAVAILABLE", explainFailure(error), { cause: error, retryAfterSeconds: 2 });
  }
  return Response.json({
    ...envelope(completion, "chat.completion"),
    choices: choices.map((choice) => ({
      index: choice.index,
      message: { role: "assistant", content: choice.text, refusal: null },
      logprobs: call.topLogprobs === null ? null : trimLogprobs(choice.apiLogprobs, call.topLogprobs),
      finish_reason: finishReason(choice),
    })),
    usage: usageOf(choices),
  });
}

async function* chunks(completion: Completion, api: ApiCall): AsyncGenerator<string, void, void> {
  const { call, choices } = completion;
  const chunk = (fields: object) =>
    JSON.stringify({
      ...envelope(completion, "chat.completion.chunk"),
      ...fields,
      ...(call.includeUsage && !("usage" in fields) && { usage: null }),
    });
  const choiceChunk = (choice: Choice, delta: object, logprobs: ApiLogprobs | null, reason: string | null) =>
    chunk({ choices: [{ index: choice.index, delta, logprobs, finish_reason: reason }] });
  for (const choice of choices) yield choiceChunk(choice, { role: "assistant", content: "" }, null, null);
  try {
    for await (const { choice, text, logprobs } of generate(completion, api)) {
      const shown = call.topLogprobs === null || !logprobs ? null : trimLogprobs(logprobs, call.topLogprobs);
      if (text !== "" || shown) yield choiceChunk(choice, { content: text }, shown, null);
      if (choice.reason) yield choiceChunk(choice, {}, null, finishReason(choice));
    }
    if (call.includeUsage) yield chunk({ choices: [], usage: usageOf(choices) });
    yield "[DONE]";
  } catch (error) {
    log.warn({ err: error, requestId: api.requestId }, "API stream failed");
    const told = new AppError("UNAVAILABLE", explainFailure(error));
    yield JSON.stringify(errorBody(told, api.requestId));
  }
}

function envelope({ questionId, call, created, checkpoint, choices }: Completion, object: string) {
  return {
    id: `chatcmpl-${questionId}`,
    object,
    created,
    model: call.model,
    system_fingerprint: `fp_${checkpoint.id.slice(0, 16)}`,
    checkpoint: checkpoint.id,
    // Oldest turns that did not fit the context.
    dropped_turns: choices[0]?.droppedTurns ?? 0,
    // Of the newest turn's beginning, where it alone did not fit.
    cut_characters: choices[0]?.cutCharacters ?? 0,
  };
}

function usageOf(choices: Choice[]) {
  const prompt_tokens = choices[0]?.promptTokens ?? 0;
  const completion_tokens = choices.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** One alternative more than asked for is generated, to spell the chosen token. */
function trimLogprobs({ content }: ApiLogprobs, count: number): ApiLogprobs {
  return {
    content: content.map((token) => ({ ...token, top_logprobs: token.top_logprobs.slice(0, count) })),
    refusal: null,
  };
}
