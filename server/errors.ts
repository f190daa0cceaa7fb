/** @file The one error that domain code throws on purpose: its message is written for the person who will read it. */

export const errorCodes = [
  "BAD_REQUEST",
  "UNAUTHORIZED",
  "FORBIDDEN",
  "NOT_FOUND",
  "CONFLICT",
  "PRECONDITION_FAILED",
  "TOO_LARGE",
  "TOO_MANY_REQUESTS",
  "UNAVAILABLE",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Status by which a plain HTTP route answers. */
export const httpStatus: Record<ErrorCode, number> = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  CONFLICT: 409,
  PRECONDITION_FAILED: 412,
  TOO_LARGE: 413,
  TOO_MANY_REQUESTS: 429,
  UNAVAILABLE: 503,
};

export type ErrorOptions = {
  cause?: unknown;
  /** When it may work again. */
  retryAfterSeconds?: number;
};

export class AppError extends Error {
  override readonly name = "AppError";
  readonly retryAfterSeconds: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    { cause, retryAfterSeconds }: ErrorOptions = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Goes by name: the pages and the process around them are bundled apart, so the class may come from the other bundle. */
export function isAppError(error: unknown): error is AppError {
  return (
    error instanceof Error &&
    error.name === "AppError" &&
    "code" in error &&
    errorCodes.some((code) => code === error.code)
  );
}
