/** @file Somebody who uses a running server without a browser: an account, its session, procedures and an API key. */
import { createTRPCClient, httpLink, type TRPCClient } from "@trpc/client";
import superjson from "superjson";
import type { AppRouter } from "@/server/routers/root";

export type ApiVisitor = {
  email: string;
  password: string;
  /** The session, for requests of one's own. */
  headers: Record<string, string>;
  call: TRPCClient<AppRouter>;
  /** A key for /v1. */
  newKey(): Promise<string>;
};

let made = 0;

/** Makes an account and signs in. @param token of a set-up link or an invite; null = open sign-up */
export async function apiVisitor(url: string, token: string | null = null): Promise<ApiVisitor> {
  const email = `visitor-${process.pid}-${++made}@example.org`;
  const password = "correct horse battery staple";
  await clientOf(url, {}).account.signUp.mutate({ name: `Visitor ${made}`, email, password, token });
  const response = await fetch(`${url}/api/auth/sign-in/email`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ email, password }),
  });
  if (!response.ok) throw new Error(`Signing in failed: ${response.status} ${await response.text()}`);
  const cookie = response.headers
    .getSetCookie()
    .map((line) => line.split(";")[0])
    .join("; ");
  const call = clientOf(url, { cookie });
  return {
    email,
    password,
    headers: { cookie, origin: url },
    call,
    newKey: async () => (await call.account.createApiKey.mutate({ name: "test" })).key,
  };
}

/** Of a link such as /setup?token=…  */
export function tokenOf(link: string | null): string {
  const token = link && new URL(link, "http://localhost").searchParams.get("token");
  if (!token) throw new Error(`There is no token in ${link}.`);
  return token;
}

function clientOf(url: string, headers: Record<string, string>): TRPCClient<AppRouter> {
  return createTRPCClient<AppRouter>({
    links: [
      httpLink({ url: `${url}/api/trpc`, transformer: superjson, headers: { ...headers, origin: url } }),
    ],
  });
}
