/** @file POST: a file of conversations held elsewhere, as it was exported there, read while it arrives. */
import { countAgainst } from "@/server/auth/limits";
import { checkMutation } from "@/server/auth/request-checks";
import { importHistory, maxHistoryBytes } from "@/server/domain/histories/import-history";
import { processEnv } from "@/server/env";
import { AppError, httpStatus, isAppError } from "@/server/errors";
import { createContext } from "@/server/request-context";

export const dynamic = "force-dynamic";

export async function POST(request: Request): Promise<Response> {
  const headers = new Headers({ "cache-control": "no-store" });
  try {
    checkMutation(request, processEnv());
    const { db, user } = await createContext(request.headers, headers);
    if (!user) throw new AppError("UNAUTHORIZED", "Sign in to go on.");
    await countAgainst("importByUser", user.id);
    return Response.json(await importHistory(db, { userId: user.id, bytes: bodyOf(request) }), { headers });
  } catch (error) {
    if (!isAppError(error)) throw error;
    return Response.json(
      { code: error.code, message: error.message },
      { status: httpStatus[error.code], headers },
    );
  }
}

function bodyOf(request: Request): AsyncIterable<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > maxHistoryBytes) {
    throw new AppError("TOO_LARGE", `A file may have ${maxHistoryBytes / 1024 / 1024} MB. Split it in two.`);
  }
  if (!request.body) throw new AppError("BAD_REQUEST", "The file is empty.");
  return request.body;
}
