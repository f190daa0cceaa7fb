/** @file /api/auth: the few better-auth routes that are open, behind our own origin, size and rate checks. */
import { z } from "zod";
import { newRequestId } from "../context";
import type { Env } from "../env";
import { type AppError, httpStatus, isAppError } from "../errors";
import { log } from "../log";
import type { Auth } from "./auth";
import { countSignIn, forgiveSignIn } from "./limits";
import { checkMutation, withBoundedBody } from "./request-checks";

/** Everything else better-auth offers goes through procedures, which know permissions and leave a record. */
const openRoutes = new Set(["POST /sign-in/email", "POST /sign-out", "GET /get-session"]);
const maxAuthBodyBytes = 16 * 1024;
const signInBody = z.object({ email: z.string().max(320), password: z.string().max(1000) });

export type AuthRequest = { auth: Auth; env: Env; address: string };

/** Answers errors as `{ code, message }`, like better-auth. */
export async function handleAuthRequest(
  received: Request,
  { auth, env, address }: AuthRequest,
): Promise<Response> {
  const route = `${received.method} ${new URL(received.url).pathname.replace(/^\/api\/auth/, "")}`;
  if (!openRoutes.has(route)) return refusal("NOT_FOUND", "There is no such route.", 404);
  try {
    checkMutation(received, env);
    const request = await withBoundedBody(received, maxAuthBodyBytes);
    return route === "POST /sign-in/email"
      ? await signIn(request, auth, address)
      : await auth.handler(request);
  } catch (error) {
    if (isAppError(error)) return appErrorResponse(error);
    const requestId = newRequestId();
    log.error({ err: error, requestId, route }, "auth request failed");
    return refusal(
      "INTERNAL",
      `Something went wrong on the server. The log has it under request ${requestId}.`,
      500,
    );
  }
}

async function signIn(request: Request, auth: Auth, address: string): Promise<Response> {
  const body = signInBody.safeParse(
    await request
      .clone()
      .json()
      .catch(() => null),
  );
  if (!body.success) return refusal("BAD_REQUEST", "An e-mail address and a password are needed.", 400);
  const { email } = body.data;
  await countSignIn(email, address);
  const response = await auth.handler(request);
  if (response.ok) await forgiveSignIn(email, address);
  return response;
}

function appErrorResponse({ code, message, retryAfterSeconds }: AppError): Response {
  const response = refusal(code, message, httpStatus[code]);
  if (retryAfterSeconds !== undefined) response.headers.set("retry-after", String(retryAfterSeconds));
  return response;
}

function refusal(code: string, message: string, status: number): Response {
  return Response.json({ code, message }, { status, headers: { "cache-control": "no-store" } });
}
