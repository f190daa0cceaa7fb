/** @file Answers in the making: generation that depends on no browser, watched by any number of them, saved as it grows. */
import { randomBytes } from "node:crypto";
import type { GenerationEvent, GenerationRequest } from "@/model/runtime/types";
import { storableText } from "../domain/message-text";
import type { MessageRow, MessageStatus } from "../domain/messages";
import type { Place } from "./admission";
import type { AnswerUpdate } from "./answer-updates";
import type { AnswerWriter, WrittenAnswer } from "./answer-writer";
import { type Best, chooseDraft, type DraftProgress, type PickBest, writeDrafts } from "./best-of";
import { explainFailure } from "./explain-failure";
import type { Generation } from "./generation";

export type AnswerStart = {
  /** The stored row; its text is what the answer goes on from. */
  answer: MessageRow;
  userId: string;
  place: Place;
  request: GenerationRequest;
  /** After the last write. */
  onEnd: (ended: EndedAnswer) => void;
};

export type EndedAnswer = { id: string; status: MessageStatus; text: string };

/** An update and the reader's position after it: what a reader who comes back hands in as `lastEventId`. */
export type PositionedUpdate = { id: string; update: AnswerUpdate };

type AnswersOptions = {
  generation: Generation;
  writer: AnswerWriter;
  /** For answers of which several are written. */
  pickBest: PickBest;
  onError: (error: unknown, messageId: string) => void;
};

export class Answers {
  readonly #options: AnswersOptions;
  readonly #live = new Map<string, LiveAnswer>();

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** Begins at once and never throws: how it went is written to the row. */
  start(start: AnswerStart): void {
    const live = new LiveAnswer(start);
    this.#live.set(start.answer.id, live);
    live.done = this.#make(live, start).catch((error: unknown) => {
      this.#options.onError(error, start.answer.id);
    });
  }

  get count(): number {
    return this.#live.size;
  }

  isLive(messageId: string): boolean {
    return this.#live.has(messageId);
  }

  /** Resolves when the text so far is stored. Harmless for answers that have ended. */
  async stop(messageId: string): Promise<void> {
    const live = this.#live.get(messageId);
    live?.cancel("stopped");
    await live?.done;
  }

  /** For a conversation that is being deleted. */
  stopConversation(conversationId: string): void {
    for (const live of this.#live.values()) {
      if (live.conversationId === conversationId) live.cancel("stopped");
    }
  }

  /**
   * What a reader has not seen yet, then what comes, until the answer ends; nothing for one that is not being made.
   * A reader who falls behind gets several tokens as one delta; text is never lost, doubled or reordered.
   */
  async *follow(
    messageId: string,
    { lastEventId, signal }: { lastEventId: string | null; signal?: AbortSignal | undefined },
  ): AsyncGenerator<PositionedUpdate, void, void> {
    const live = this.#live.get(messageId);
    if (live) yield* live.follow(lastEventId, signal);
  }

  /**
   * For shutdown: ends what still runs and keeps it as `interrupted`.
   * @param withinMs how long to wait for the last writes
   * @returns how many were interrupted
   */
  async interrupt(withinMs: number): Promise<number> {
    const cut = [...this.#live.values()];
    for (const live of cut) live.cancel("interrupted");
    const timeout = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
    await Promise.race([Promise.all(cut.map(({ done }) => done)), timeout]);
    return cut.length;
  }

  async #make(live: LiveAnswer, start: AnswerStart): Promise<void> {
    const { writer } = this.#options;
    const { answer, place, onEnd } = start;
    try {
      // One that goes on has been chosen already.
      if (answer.bestOf === null || start.request.continueLast) await this.#write(live, start);
      else await this.#writeBest(live, start, answer.bestOf);
      if (!live.hasEnded) throw new Error("The policy fell silent without finishing");
    } catch (error) {
      live.fail(explainFailure(error));
      this.#options.onError(error, answer.id);
    } finally {
      place.release();
    }
    try {
      await writer.writeFinal(live.written());
    } finally {
      // Readers look at the row once the answer is not live any more: only now does it say how it ended.
      this.#live.delete(answer.id);
      live.close();
    }
    onEnd({ id: answer.id, status: live.status, text: live.text });
  }

  async #write(live: LiveAnswer, { answer, place, request }: AnswerStart): Promise<void> {
    const { generation, writer } = this.#options;
    const { events } = generation.generate({ checkpointId: answer.checkpointId ?? "" }, request, {
      place,
      signal: live.signal,
    });
    for await (const event of events) {
      live.apply(event);
      // The end is written once, by `#make`, and not while the answer still counts as live.
      if (event.type !== "queued" && !live.hasEnded) writer.write(live.written());
    }
  }

  /** Shows the text of one only when all have ended, or it was stopped: then the first that had ended, or had begun. */
  async #writeBest(live: LiveAnswer, { answer, place, request }: AnswerStart, count: number): Promise<void> {
    const { generation, pickBest, onError } = this.#options;
    const { signal } = live;
    const drafts = await writeDrafts(generation, {
      checkpointId: answer.checkpointId ?? "",
      request,
      count,
      place,
      signal,
      onEvent: (event, progress) => {
        if (event.type === "started" || (event.type === "queued" && live.progress === null))
          live.apply(event);
        if (event.type !== "queued") live.tell(progress);
      },
    });
    const chosen = await chooseDraft(pickBest, { prompt: request.messages, drafts, signal }).catch(
      (error: unknown) => {
        if (!signal.aborted) onError(error, answer.id);
        return null;
      },
    );
    if (chosen) live.judge(chosen.best);
    for (const event of (chosen?.draft ?? drafts[0])?.events ?? []) live.apply(event);
  }
}

/** One answer's state. Readers compare it with what they have sent: there is no list of events to grow or to lose. */
class LiveAnswer {
  readonly conversationId: string;
  status: MessageStatus;
  text: string;
  /** Where several are written, of which none is shown yet. */
  progress: DraftProgress | null = null;
  done: Promise<void> = Promise.resolve();

  readonly #id: string;
  /** Names this run: positions in another one (a retry, another server process) mean nothing here. */
  readonly #run = randomBytes(6).toString("base64url");
  readonly #controller = new AbortController();
  readonly #tokenIds: number[];
  readonly #logprobs: number[];
  #cancelledAs: "stopped" | "interrupted" = "stopped";
  #position: number | null = null;
  #droppedTurns: number;
  #cutCharacters: number;
  #promptTokens: number | null;
  #seed: number | null;
  #best: Pick<WrittenAnswer, "score" | "rewardModelId">;
  #error: string | null = null;
  #isClosed = false;
  #onChange = new Set<() => void>();

  constructor({ answer }: AnswerStart) {
    this.#id = answer.id;
    this.conversationId = answer.conversationId;
    this.status = "queued";
    this.text = answer.content;
    this.#tokenIds = answer.tokenIds ?? [];
    this.#logprobs = answer.logprobs ?? [];
    this.#droppedTurns = answer.droppedTurns;
    this.#cutCharacters = answer.cutCharacters;
    this.#promptTokens = answer.promptTokens;
    this.#seed = answer.seed;
    this.#best = { score: answer.score, rewardModelId: answer.rewardModelId };
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  cancel(as: "stopped" | "interrupted"): void {
    if (this.signal.aborted) return;
    this.#cancelledAs = as;
    this.#controller.abort();
  }

  apply(event: GenerationEvent): void {
    if (event.type === "queued") this.#position = event.position;
    if (event.type === "started") {
      this.status = "streaming";
      this.#position = null;
      this.#droppedTurns = event.droppedTurns;
      this.#cutCharacters = event.cutCharacters;
      this.#promptTokens = event.promptTokens;
      this.#seed = event.seed;
    }
    if (event.type === "token") {
      this.#tokenIds.push(event.tokenId);
      this.#logprobs.push(event.logprob);
      this.text += storableText(event.text);
    }
    if (event.type === "finished") {
      this.text += storableText(event.text);
      this.status = event.reason === "cancelled" ? this.#cancelledAs : endStatus[event.reason];
    }
    this.#notify();
  }

  tell(progress: DraftProgress): void {
    this.progress = progress;
    this.#notify();
  }

  /** What is applied from now on is the best. */
  judge({ score, rewardModelId }: Best): void {
    this.#best = { score, rewardModelId };
  }

  get hasEnded(): boolean {
    return this.status !== "queued" && this.status !== "streaming";
  }

  /** A failure while being stopped is a stop: nobody waits for more. */
  fail(error: string): void {
    this.status = this.signal.aborted ? this.#cancelledAs : "failed";
    this.#error = this.signal.aborted ? null : error;
    this.#notify();
  }

  /** The last write is done. */
  close(): void {
    this.#isClosed = true;
    this.#notify();
  }

  written(): WrittenAnswer {
    return {
      id: this.#id,
      content: this.text,
      status: this.status,
      error: this.#error,
      tokenIds: this.#tokenIds,
      logprobs: this.#logprobs,
      seed: this.#seed,
      promptTokens: this.#promptTokens,
      droppedTurns: this.#droppedTurns,
      cutCharacters: this.#cutCharacters,
      ...this.#best,
    };
  }

  async *follow(
    lastEventId: string | null,
    signal?: AbortSignal,
  ): AsyncGenerator<PositionedUpdate, void, void> {
    let sent = this.#resumePoint(lastEventId);
    let position = this.#position;
    let hasStarted = this.status !== "queued";
    let progress = this.progress;
    if (sent === null) {
      sent = this.text.length;
      yield this.#at(sent, {
        type: "snapshot",
        text: this.text,
        status: hasStarted ? "streaming" : "queued",
        position,
        droppedTurns: this.#droppedTurns,
        cutCharacters: this.#cutCharacters,
        progress,
      });
    }
    while (!this.#isClosed && !signal?.aborted) {
      if (!hasStarted && this.status !== "queued") {
        hasStarted = true;
        yield this.#at(sent, {
          type: "started",
          droppedTurns: this.#droppedTurns,
          cutCharacters: this.#cutCharacters,
        });
      } else if (!hasStarted && this.#position !== null && this.#position !== position) {
        position = this.#position;
        yield this.#at(sent, { type: "queued", position });
      } else if (this.progress && this.progress.written !== progress?.written) {
        progress = this.progress;
        yield this.#at(sent, { type: "drafts", ...progress });
      } else if (this.text.length > sent) {
        const text = this.text.slice(sent);
        sent = this.text.length;
        yield this.#at(sent, { type: "delta", text });
      } else {
        await this.#changed(signal);
      }
    }
  }

  /** How much of the text the reader has; null = unknown, so that all of it must be sent. */
  #resumePoint(lastEventId: string | null): number | null {
    const [run, offset] = lastEventId?.split(":") ?? [];
    if (run !== this.#run || !/^\d+$/.test(offset ?? "")) return null;
    const length = Number(offset);
    return length <= this.text.length ? length : null;
  }

  #at(length: number, update: AnswerUpdate): PositionedUpdate {
    return { id: `${this.#run}:${length}`, update };
  }

  #changed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener("abort", wake);
        this.#onChange.delete(wake);
        resolve();
      };
      this.#onChange.add(wake);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  #notify(): void {
    for (const wake of [...this.#onChange]) wake();
  }
}

const endStatus = { stop: "complete", length: "length" } as const satisfies Record<string, MessageStatus>;
