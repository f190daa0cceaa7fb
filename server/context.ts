/** @file What every procedure is given about its request. */
import { randomUUID } from "node:crypto";
import type { Db } from "./db/db";
import type { Env } from "./env";
import type { Log } from "./log";
import type { Grant, Role } from "./permissions";

/** The signed-in person. */
export type SessionUser = {
  id: string;
  name: string;
  email: string;
  role: Role;
  grants: Grant[];
};

export type Context = {
  db: Db;
  env: Env;
  user: SessionUser | null;
  /** Null where a key or no session was used. */
  sessionId: string | null;
  /** Whom to count for limits when nobody is signed in. */
  address: string;
  /** In every log line of the request, and shown beside an unknown error. */
  requestId: string;
  log: Log;
};

export function newRequestId(): string {
  return randomUUID().slice(0, 8);
}
