/** @file How many answers one person, and everybody together, may have in the making. */
import { AppError } from "../errors";

/** Running and waiting together. More would only make the person's own answers wait for each other. */
export const maxAnswersPerUser = 16;
export const maxAnswers = 512;

/** The right to have one answer made. Released when the answer has ended, or when it was never begun. */
export type Place = { readonly userId: string; release(): void };

export class Admission {
  readonly #held = new Map<string, number>();
  #total = 0;
  #isClosed = false;

  /** @throws {AppError} TOO_MANY_REQUESTS beyond a person's share; UNAVAILABLE when all is full or shutting down */
  admit(userId: string): Place {
    if (this.#isClosed) {
      throw new AppError("UNAVAILABLE", "The server is shutting down. Try again when it is back.");
    }
    const held = this.#held.get(userId) ?? 0;
    if (held >= maxAnswersPerUser) {
      throw new AppError(
        "TOO_MANY_REQUESTS",
        `You have ${held} answers in the making, as many as one person may. Wait until one has ended, or stop one.`,
      );
    }
    if (this.#total >= maxAnswers) {
      throw new AppError("UNAVAILABLE", `${maxAnswers} answers are waiting already. Try again in a minute.`);
    }
    this.#held.set(userId, held + 1);
    this.#total++;
    let isReleased = false;
    const release = () => {
      if (isReleased) return;
      isReleased = true;
      this.#release(userId);
    };
    return { userId, release };
  }

  /** Nobody is admitted any more; who is in may finish. */
  close(): void {
    this.#isClosed = true;
  }

  #release(userId: string): void {
    this.#total--;
    const left = (this.#held.get(userId) ?? 1) - 1;
    if (left > 0) this.#held.set(userId, left);
    else this.#held.delete(userId);
  }
}
