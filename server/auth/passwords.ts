/** @file Hashing passwords: scrypt, a few at a time, because each takes a core for a moment and 32 MB. */
import { hashPassword as scryptHash, verifyPassword as scryptVerify } from "better-auth/crypto";
import { z } from "zod";
import { AppError } from "../errors";

const maxConcurrent = 2;
const maxWaiting = 50;

export const minPasswordCharacters = 10;
export const maxPasswordCharacters = 128;

/** For inputs that choose a password; one that is merely checked is only bounded. */
export const newPasswordSchema = z
  .string()
  .min(minPasswordCharacters, `A password has at least ${minPasswordCharacters} characters.`)
  .max(maxPasswordCharacters, `A password has at most ${maxPasswordCharacters} characters.`);

let running = 0;
const waiting: (() => void)[] = [];

/** @throws {AppError} UNAVAILABLE when too many wait already */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= maxConcurrent) {
    if (waiting.length >= maxWaiting) {
      throw new AppError(
        "UNAVAILABLE",
        "Too many people sign in at this moment. Try again in a few seconds.",
        {
          retryAfterSeconds: 5,
        },
      );
    }
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else {
    running += 1;
  }
  try {
    return await work();
  } finally {
    // The place passes on without being freed, so nobody can slip in between.
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

export const hashPassword = (password: string): Promise<string> => inTurn(() => scryptHash(password));

export const verifyPassword = (input: { hash: string; password: string }): Promise<boolean> =>
  inTurn(() => scryptVerify(input));
