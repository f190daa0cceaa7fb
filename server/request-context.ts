/** @file From an HTTP request to the context of its procedures: database, session, address, request id. */
import { type Auth, createAuth } from "./auth/auth";
import { clientAddressHeader } from "./auth/client-address";
import { readSession } from "./auth/read-session";
import { type Context, newRequestId } from "./context";
import type { Db } from "./db/db";
import { processEnv } from "./env";
import { AppError } from "./errors";
import { log } from "./log";
import { processState } from "./process-state";
import { loadSecrets } from "./secrets";

const auths = new WeakMap<Db, Auth>();

/** This process's database. @throws {AppError} UNAVAILABLE before it is opened */
export function processDb(): Db {
  const { db } = processState();
  if (!db) throw new AppError("UNAVAILABLE", "The server is still starting. Try again in a few seconds.");
  return db;
}

/** better-auth on this process's database. */
export function processAuth(): Auth {
  const db = processDb();
  const known = auths.get(db);
  if (known) return known;
  const env = processEnv();
  const auth = createAuth({ db, env, secret: loadSecrets(env.ATTUNE_DATA).authSecret });
  auths.set(db, auth);
  return auth;
}

/** The address that the HTTP server stamped on the request. */
export function addressOf(headers: Headers): string {
  return headers.get(clientAddressHeader) ?? "unknown";
}

/** Everything a procedure is given; cookies of a prolonged session go into `responseHeaders`. */
export async function createContext(
  requestHeaders: Headers,
  responseHeaders: Headers = new Headers(),
): Promise<Context> {
  const db = processDb();
  const { session, cookies } = await readSession(processAuth(), db, requestHeaders);
  for (const cookie of cookies) responseHeaders.append("set-cookie", cookie);
  const requestId = newRequestId();
  return {
    db,
    env: processEnv(),
    user: session?.user ?? null,
    sessionId: session?.sessionId ?? null,
    address: addressOf(requestHeaders),
    requestId,
    log: log.child({ requestId }),
  };
}
