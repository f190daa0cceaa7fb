/** @file better-auth, told only to sign in, sign out and read sessions; accounts are made and changed by the domain. */
import { betterAuth } from "better-auth";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { admin } from "better-auth/plugins/admin";
import { accounts, sessions, users, verifications } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { type Env, publicUrl } from "../env";
import { log } from "../log";
import { clientAddressHeader } from "./client-address";
import { hashPassword, maxPasswordCharacters, minPasswordCharacters, verifyPassword } from "./passwords";
import { isOwnOrigin } from "./request-checks";

const day = 24 * 60 * 60;

export type Auth = ReturnType<typeof createAuth>;

export type AuthOptions = { db: Db; env: Env; secret: string };

export function createAuth({ db, env, secret }: AuthOptions) {
  const url = publicUrl(env);
  return betterAuth({
    appName: "Attune",
    baseURL: url,
    basePath: "/api/auth",
    secret,
    database: drizzleAdapter(db, {
      provider: "pg",
      schema: { user: users, session: sessions, account: accounts, verification: verifications },
      transaction: true,
    }),
    emailAndPassword: {
      enabled: true,
      // The domain makes accounts: it knows policy, links and roles (server/domain/sign-up).
      disableSignUp: true,
      minPasswordLength: minPasswordCharacters,
      maxPasswordLength: maxPasswordCharacters,
      password: { hash: hashPassword, verify: verifyPassword },
    },
    session: { expiresIn: 30 * day, updateAge: day },
    plugins: [admin({ bannedUserMessage: "This account is disabled. An admin can enable it again." })],
    trustedOrigins: (request) => {
      const origin = request?.headers.get("origin");
      return request && origin && isOwnOrigin(request.headers, env) ? [url, origin] : [url];
    },
    // Ours (limits.ts) counts by account too, and covers every way in.
    rateLimit: { enabled: false },
    advanced: {
      cookiePrefix: "attune",
      useSecureCookies: url.startsWith("https://"),
      database: { generateId: "uuid" },
      ipAddress: { ipAddressHeaders: [clientAddressHeader] },
    },
    telemetry: { enabled: false },
    logger: {
      level: "error",
      log: (level, message) => log[level]({ from: "auth" }, message),
    },
  });
}
