/** @file How often one person or address may do what costs or what guessers repeat. Counted in memory, one set per process. */
import { createHash } from "node:crypto";
import { RateLimiterMemory, type RateLimiterRes } from "rate-limiter-flexible";
import { AppError } from "../errors";
import { limitKey } from "./client-address";

const minute = 60;
const hour = 60 * minute;

const rules = {
  /** Attempts to sign in, by address. */
  signInByAddress: { points: 60, duration: 5 * minute },
  /** Attempts on one account from one address: a guesser is stopped, the owner elsewhere is not. */
  signInByAccountAndAddress: { points: 10, duration: 15 * minute },
  /** Attempts on one account from everywhere. */
  signInByAccount: { points: 100, duration: hour },
  /** New accounts and one-time links, by address. */
  signUpByAddress: { points: 30, duration: hour },
  /** Asking for the password again, by person: a stolen session must not become a guesser. */
  passwordByUser: { points: 10, duration: 15 * minute },
  /** Everything about oneself as one file: heavy, and each leaves a row in the audit log. */
  exportByUser: { points: 10, duration: hour },
  /** Whole histories from elsewhere: LibreChat exports each conversation as a file of its own. */
  importByUser: { points: 200, duration: hour },
  /** Reading, by person or address: far above what pages ask for. */
  queryByUser: { points: 3000, duration: minute },
  queryByAddress: { points: 1200, duration: minute },
  /** Anything that changes something, by person. */
  mutationByUser: { points: 600, duration: minute },
  /** The same where nobody is signed in, by address. */
  mutationByAddress: { points: 120, duration: minute },
} satisfies Record<string, { points: number; duration: number }>;

export type Limit = keyof typeof rules;

declare global {
  // Next bundles its own copy of this file; the counts are one per process.
  var attuneLimits: Record<Limit, RateLimiterMemory> | undefined;
}

function limiters(): Record<Limit, RateLimiterMemory> {
  globalThis.attuneLimits ??= {
    signInByAddress: new RateLimiterMemory(rules.signInByAddress),
    signInByAccountAndAddress: new RateLimiterMemory(rules.signInByAccountAndAddress),
    signInByAccount: new RateLimiterMemory(rules.signInByAccount),
    signUpByAddress: new RateLimiterMemory(rules.signUpByAddress),
    passwordByUser: new RateLimiterMemory(rules.passwordByUser),
    exportByUser: new RateLimiterMemory(rules.exportByUser),
    importByUser: new RateLimiterMemory(rules.importByUser),
    queryByUser: new RateLimiterMemory(rules.queryByUser),
    queryByAddress: new RateLimiterMemory(rules.queryByAddress),
    mutationByUser: new RateLimiterMemory(rules.mutationByUser),
    mutationByAddress: new RateLimiterMemory(rules.mutationByAddress),
  };
  return globalThis.attuneLimits;
}

/** Counts one act. @throws {AppError} TOO_MANY_REQUESTS with the seconds to wait */
export async function countAgainst(limit: Limit, key: string): Promise<void> {
  try {
    await limiters()[limit].consume(key);
  } catch (refused) {
    if (!isRefusal(refused)) throw refused;
    const retryAfterSeconds = Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
    throw new AppError(
      "TOO_MANY_REQUESTS",
      `Too many attempts. Try again in ${inWords(retryAfterSeconds)}.`,
      {
        retryAfterSeconds,
      },
    );
  }
}

/**
 * What the library rejects with is no Error. Told by its shape: the counters may be those of the other bundle, whose class of
 * the same name is another, and a plain object that got through would be an unknown fault of the server.
 */
function isRefusal(refused: unknown): refused is Pick<RateLimiterRes, "msBeforeNext"> {
  return typeof refused === "object" && refused !== null && "msBeforeNext" in refused;
}

export const addressKey = limitKey;

/** Counts an attempt to sign in. @throws {AppError} TOO_MANY_REQUESTS */
export async function countSignIn(email: string, address: string): Promise<void> {
  await countAgainst("signInByAddress", addressKey(address));
  await countAgainst("signInByAccountAndAddress", accountKey(email, address));
  await countAgainst("signInByAccount", accountKey(email));
}

/** After a sign-in that worked, the person's own mistakes are forgotten. */
export async function forgiveSignIn(email: string, address: string): Promise<void> {
  await limiters().signInByAccountAndAddress.delete(accountKey(email, address));
}

/** Forgets every count; for tests. */
export function resetLimits(): void {
  globalThis.attuneLimits = undefined;
}

/** Addresses people typed are not kept readable, even in memory. */
function accountKey(email: string, address?: string): string {
  const account = createHash("sha256").update(email.trim().toLowerCase()).digest("base64url");
  return address === undefined ? account : `${account} ${addressKey(address)}`;
}

function inWords(seconds: number): string {
  if (seconds < 90) return `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}
