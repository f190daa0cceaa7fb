/** @file POST /api/control: commands of `attune …`, for whoever can read the token in data/server.json. */
import { hasControlToken } from "@/server/auth/control-token";
import { withBoundedBody } from "@/server/auth/request-checks";
import { readControlCommand, runControlCommand } from "@/server/domain/control";
import { processEnv } from "@/server/env";
import { httpStatus, isAppError } from "@/server/errors";
import { chatServices } from "@/server/generation/chat-services";
import { log } from "@/server/log";
import { processDb } from "@/server/request-context";

export const dynamic = "force-dynamic";

/** Answers the command's result, or `{ error }` with a message for the person at the machine. */
export async function POST(request: Request): Promise<Response> {
  if (!hasControlToken(request)) {
    return Response.json({ error: "The token of data/server.json is needed." }, { status: 401 });
  }
  try {
    const body: unknown = await (await withBoundedBody(request)).json();
    const parts = { db: processDb(), env: processEnv(), chat: chatServices() };
    return Response.json(await runControlCommand(parts, readControlCommand(body)));
  } catch (error) {
    if (!isAppError(error)) log.error({ err: error }, "control command failed");
    const message = error instanceof Error ? error.message : "unknown error";
    return Response.json({ error: message }, { status: isAppError(error) ? httpStatus[error.code] : 500 });
  }
}
