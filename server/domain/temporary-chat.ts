/** @file Chats that are stored nowhere and used for nothing: turns come in, the answer goes out, nothing remains. */
import type { Db } from "../db/db";
import { AppError } from "../errors";
import type { TemporaryUpdate } from "../generation/answer-updates";
import { explainFailure } from "../generation/explain-failure";
import type { ChatServices } from "../process-state";
import { liveChannel } from "./channels";
import { checkAnswers } from "./checkpoints";
import { checkMessageText } from "./message-text";
import { resolveSampling, type SamplingOverrides } from "./sampling";
import { readSettings } from "./settings";

type TemporaryRequest = {
  userId: string;
  messages: { role: "user" | "assistant"; content: string }[];
  systemPrompt?: string | undefined;
  sampling?: SamplingOverrides | undefined;
  checkpointId: string | null;
  continueLast?: boolean | undefined;
  signal?: AbortSignal | undefined;
};

/** Ends with one `ended` update, whatever happens. The caller going away cancels generation within a token. */
export async function* answerTemporarily(
  db: Db,
  chat: ChatServices,
  { userId, messages, systemPrompt, sampling, checkpointId, continueLast, signal }: TemporaryRequest,
): AsyncGenerator<TemporaryUpdate, void, void> {
  const last = messages.at(-1);
  if (last?.role !== (continueLast ? "assistant" : "user")) {
    throw new AppError("BAD_REQUEST", "The last message must be a question, or an answer to go on with.");
  }
  for (const { content } of messages) checkMessageText(content);
  // Here, because an engine is set up for whatever id it is asked for.
  if (checkpointId !== null) await checkAnswers(db, checkpointId);
  const { defaultSampling, defaultSystemPrompt } = await readSettings(db);
  const system = systemPrompt || defaultSystemPrompt;
  const { checkpointId: answersId } =
    checkpointId === null
      ? chat.generation.route(liveChannel, `${userId} ${messages[0]?.content ?? ""}`)
      : { checkpointId };
  const place = chat.generation.admit(userId);
  try {
    const answer = chat.generation.generate(
      { checkpointId: answersId },
      {
        messages: system ? [{ role: "system", content: system }, ...messages] : messages,
        sampling: resolveSampling(defaultSampling, sampling ?? {}),
        ...(continueLast && { continueLast }),
        priority: "chat",
      },
      { place, signal },
    );
    for await (const event of answer.events) {
      if (event.type === "queued") yield event;
      if (event.type === "started") {
        const { droppedTurns, cutCharacters } = event;
        yield { type: "started", droppedTurns, cutCharacters, checkpoint: answer.checkpoint };
      }
      if (event.type === "token" && event.text !== "") yield { type: "delta", text: event.text };
      if (event.type === "finished") {
        if (event.text !== "") yield { type: "delta", text: event.text };
        yield { type: "ended", status: statusOf[event.reason], error: null };
      }
    }
  } catch (error) {
    if (signal?.aborted) return;
    yield { type: "ended", status: "failed", error: explainFailure(error) };
  } finally {
    place.release();
  }
}

const statusOf = { stop: "complete", length: "length", cancelled: "stopped" } as const;
