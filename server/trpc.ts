/** @file How a procedure is made: it names its permission, its errors are translated, unknown ones stay in the log. */
import { initTRPC, TRPCError } from "@trpc/server";
import superjson from "superjson";
import { z } from "zod";
import { addressKey, countAgainst } from "./auth/limits";
import type { Context } from "./context";
import { isRefusedValue, refusedValue } from "./db/refused-value";
import { AppError, type ErrorCode, isAppError } from "./errors";
import { isAllowed, type MemberPermission, type OpenPermission, type Permission } from "./permissions";

const t = initTRPC
  .context<Context>()
  .meta<{ permission: Permission }>()
  .create({
    transformer: superjson,
    // The same for temporary chats, whose mutation streams its answer.
    jsonl: { pingMs: 5_000 },
    // Comments keep proxies and phones from dropping a quiet stream; the client reconnects when they stop coming.
    sse: {
      ping: { enabled: true, intervalMs: 5_000 },
      client: { reconnectAfterInactivityMs: 15_000 },
      // The client comes back at once and is asked who it is again: a revoked session loses its streams too.
      maxDurationMs: 10 * 60_000,
    },
    errorFormatter({ shape, error, ctx }) {
      const { cause } = error;
      const requestId = ctx?.requestId ?? null;
      const retryAfterSeconds = isAppError(cause) ? (cause.retryAfterSeconds ?? null) : null;
      return {
        ...shape,
        message: publicMessage(error, requestId),
        data: { code: shape.data.code, httpStatus: shape.data.httpStatus, requestId, retryAfterSeconds },
      };
    },
  });

export const router = t.router;
export const createCallerFactory = t.createCallerFactory;

const translateErrors = t.middleware(async ({ ctx, next, path }) => {
  const result = await next();
  if (result.ok) return result;
  const { cause } = result.error;
  if (isAppError(cause)) throw toTrpcError(cause);
  if (isRefusedValue(cause)) throw toTrpcError(refusedValue(cause));
  if (result.error.code === "INTERNAL_SERVER_ERROR") {
    ctx.log.error({ err: cause ?? result.error, requestId: ctx.requestId, path }, "procedure failed");
  }
  return result;
});

const limitCalls = t.middleware(async ({ ctx: { user, address }, next, type }) => {
  const act = type === "mutation" ? "mutation" : "query";
  const counted = user
    ? countAgainst(`${act}ByUser`, user.id)
    : countAgainst(`${act}ByAddress`, addressKey(address));
  await counted.catch((error: unknown) => {
    throw isAppError(error) ? toTrpcError(error) : error;
  });
  return next();
});

const base = t.procedure.use(translateErrors).use(limitCalls);

function memberProcedure(permission: MemberPermission) {
  return base.meta({ permission }).use(({ ctx, next }) => {
    const { user } = ctx;
    if (!user) throw toTrpcError(new AppError("UNAUTHORIZED", "Sign in to go on."));
    if (!isAllowed(user, permission)) {
      throw toTrpcError(new AppError("FORBIDDEN", "Your account may not do this. An admin can change that."));
    }
    return next({ ctx: { ...ctx, user } });
  });
}

function openProcedure(permission: OpenPermission) {
  return base.meta({ permission });
}

/** A procedure for those who have the permission; `ctx.user` is null only where anyone may call it. */
export function procedure(permission: MemberPermission): ReturnType<typeof memberProcedure>;
export function procedure(permission: OpenPermission): ReturnType<typeof openProcedure>;
export function procedure(permission: MemberPermission | OpenPermission) {
  return isOpen(permission) ? openProcedure(permission) : memberProcedure(permission);
}

function isOpen(permission: Permission): permission is OpenPermission {
  return isAllowed(null, permission);
}

const trpcCodes: Record<ErrorCode, TRPCError["code"]> = {
  BAD_REQUEST: "BAD_REQUEST",
  UNAUTHORIZED: "UNAUTHORIZED",
  FORBIDDEN: "FORBIDDEN",
  NOT_FOUND: "NOT_FOUND",
  CONFLICT: "CONFLICT",
  PRECONDITION_FAILED: "PRECONDITION_FAILED",
  TOO_LARGE: "PAYLOAD_TOO_LARGE",
  TOO_MANY_REQUESTS: "TOO_MANY_REQUESTS",
  UNAVAILABLE: "SERVICE_UNAVAILABLE",
};

export function toTrpcError(error: AppError): TRPCError {
  return new TRPCError({ code: trpcCodes[error.code], message: error.message, cause: error });
}

/** Messages the person may read: our own, validation's, tRPC's about the request. Anything else is named by its id only. */
function publicMessage(error: TRPCError, requestId: string | null): string {
  const { cause } = error;
  if (isAppError(cause)) return cause.message;
  if (cause instanceof z.ZodError) return validationMessage(cause);
  if (cause === undefined && error.code !== "INTERNAL_SERVER_ERROR") return error.message;
  return requestId === null
    ? "Something went wrong on the server."
    : `Something went wrong on the server. The log has it under request ${requestId}.`;
}

/** "limit: must be at most 100", one sentence per problem, eight at most. */
function validationMessage(error: z.ZodError): string {
  return error.issues
    .slice(0, 8)
    .map(({ path, message }) => (path.length > 0 ? `${path.join(".")}: ${message}` : message))
    .join("\n");
}
