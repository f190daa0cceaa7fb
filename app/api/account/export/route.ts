/** @file One's own data as a download, streamed. */
import { countAgainst } from "@/server/auth/limits";
import { exportAccount } from "@/server/domain/account-data";
import { httpStatus, isAppError } from "@/server/errors";
import { createContext } from "@/server/request-context";

export async function GET(request: Request): Promise<Response> {
  const headers = new Headers({
    "content-type": "application/json; charset=utf-8",
    "content-disposition": `attachment; filename="attune-account-${new Date().toISOString().slice(0, 10)}.json"`,
    "cache-control": "no-store",
  });
  const { db, user } = await createContext(request.headers, headers);
  if (!user) return Response.json({ code: "UNAUTHORIZED", message: "Sign in to go on." }, { status: 401 });
  try {
    await countAgainst("exportByUser", user.id);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return Response.json({ code: error.code, message: error.message }, { status: httpStatus[error.code] });
  }
  return new Response(toStream(exportAccount(db, user.id)), { headers });
}

/** Asks for the next part when the last one is sent; a reader who leaves ends the making. */
function toStream(parts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}
