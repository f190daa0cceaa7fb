/** @file Saves growing answers: all that changed, in one statement, at most twice a second. */
import { sql } from "drizzle-orm";
import type { Db } from "../db/db";
import type { MessageStatus } from "../domain/messages";

export type WrittenAnswer = {
  id: string;
  content: string;
  status: MessageStatus;
  error: string | null;
  tokenIds: number[];
  logprobs: number[];
  seed: number | null;
  promptTokens: number | null;
  droppedTurns: number;
  cutCharacters: number;
  /** Of the best of several; null of one alone. */
  score: number | null;
  rewardModelId: string | null;
};

export const writeEveryMs = 500;
/** A full disk or a lost connection gets this long to pass before an answer's end is given up. */
const finalWithinMs = 60_000;
const longestWaitMs = 5_000;

export class AnswerWriter {
  readonly #db: Db;
  readonly #onError: (error: unknown) => void;
  readonly #dirty = new Map<string, WrittenAnswer>();
  #timer: NodeJS.Timeout | null = null;
  /** Writes go one after the other, so that no older text overtakes a newer one. */
  #writing: Promise<void> = Promise.resolve();

  constructor(db: Db, onError: (error: unknown) => void) {
    this.#db = db;
    this.#onError = onError;
  }

  /** Stored within {@link writeEveryMs}, with everything else that changed until then. */
  write(answer: WrittenAnswer): void {
    this.#dirty.set(answer.id, answer);
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#dirty.size === 0) return;
      // As text at once: the lists of tokens grow on, and a row's tokens must be those of its text.
      const batch = JSON.stringify([...this.#dirty.values()]);
      this.#dirty.clear();
      // A batch that fails is not lost: the next one carries the same answers, longer.
      this.#writing = this.#writing.then(() => this.#store(batch)).catch(this.#onError);
    }, writeEveryMs);
  }

  /** Resolves when the answer's end is stored. @throws the last error, after a minute of trying */
  async writeFinal(answer: WrittenAnswer): Promise<void> {
    const until = Date.now() + finalWithinMs;
    this.#dirty.delete(answer.id);
    for (let attempt = 1; ; attempt++) {
      const stored = this.#writing.then(() => this.#store(JSON.stringify([answer])));
      this.#writing = stored.catch(() => {});
      try {
        return await stored;
      } catch (error) {
        if (Date.now() > until) throw error;
        this.#onError(error);
        const waitMs = Math.min(longestWaitMs, 200 * 2 ** attempt);
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  /** @param answers JSON list of {@link WrittenAnswer} */
  async #store(answers: string): Promise<void> {
    // As one JSON parameter: the statement is the same for any number of answers.
    await this.#db.execute(sql`
      update messages m set
        content = a.content, status = a.status, error = a.error,
        token_ids = a."tokenIds", logprobs = a.logprobs, seed = a.seed,
        prompt_tokens = a."promptTokens", dropped_turns = a."droppedTurns",
        cut_characters = a."cutCharacters", score = a.score, reward_model_id = a."rewardModelId",
        finished_at = case when a.status in ('queued', 'streaming') then null else now() end
      from jsonb_to_recordset(${answers}::jsonb) as a(
        id uuid, content text, status text, error text, "tokenIds" int[], logprobs real[], seed int,
        "promptTokens" int, "droppedTurns" int, "cutCharacters" int, score real, "rewardModelId" text
      )
      where m.id = a.id`);
  }
}
