/** @file How many answers one person, and everybody together, may have in the making. */
import { AppError } from "../errors";

/** Running and waiting together. More would only make the person's own answers wait for each other. */
export const maxAnswersPerUser = 16;
export const maxAnswers = 512;

/** The right to have one answer made. Released when the answer has ended, or when it was never begun. */
export type Place = {
  readonly userId: string;
  /** Aborted when the person may have no answers any more: see `expel`. */
  readonly signal: AbortSignal;
  release(): void;
};

export class Admission {
  readonly #held = new Map<string, Set<AbortController>>();
  #total = 0;
  #isClosed = false;

  /** @throws {AppError} TOO_MANY_REQUESTS beyond a person's share; UNAVAILABLE when all is full or shutting down */
  admit(userId: string): Place {
    if (this.#isClosed) {
      throw new AppError("UNAVAILABLE", "The server is shutting down. Try again when it is back.");
    }
    const held = this.#held.get(userId) ?? new Set();
    if (held.size >= maxAnswersPerUser) {
      throw new AppError(
        "TOO_MANY_REQUESTS",
        `You have ${held.size} answers in the making, as many as one person may. Wait until one has ended, or stop one.`,
      );
    }
    if (this.#total >= maxAnswers) {
      throw new AppError("UNAVAILABLE", `${maxAnswers} answers are waiting already. Try again in a minute.`);
    }
    const controller = new AbortController();
    this.#held.set(userId, held.add(controller));
    this.#total++;
    return { userId, signal: controller.signal, release: () => this.#release(userId, controller) };
  }

  /** Ends the person's answers within a token, wherever they are being made: the account was disabled or deleted. */
  expel(userId: string): void {
    for (const controller of this.#held.get(userId) ?? []) controller.abort();
  }

  /** Nobody is admitted any more; who is in may finish. */
  close(): void {
    this.#isClosed = true;
  }

  /** Harmless the second time. */
  #release(userId: string, controller: AbortController): void {
    const held = this.#held.get(userId);
    if (!held?.delete(controller)) return;
    this.#total--;
    if (held.size === 0) this.#held.delete(userId);
  }
}
