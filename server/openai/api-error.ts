/** @file Errors in the shape that OpenAI's clients understand. */
import { AppError, type ErrorCode, httpStatus, isAppError } from "../errors";

export type ApiErrorBody = {
  error: { message: string; type: string; param: string | null; code: string | null };
};

const types: Record<ErrorCode, string> = {
  BAD_REQUEST: "invalid_request_error",
  UNAUTHORIZED: "authentication_error",
  FORBIDDEN: "permission_error",
  NOT_FOUND: "invalid_request_error",
  CONFLICT: "invalid_request_error",
  PRECONDITION_FAILED: "invalid_request_error",
  TOO_LARGE: "invalid_request_error",
  TOO_MANY_REQUESTS: "rate_limit_error",
  UNAVAILABLE: "server_error",
};

/** A parameter that does not fit: 400, naming it. */
export class ParameterError extends AppError {
  constructor(
    message: string,
    readonly param: string | null,
  ) {
    super("BAD_REQUEST", message);
  }
}

/** Never the text of an unknown error: that one is named by the id under which it is logged. */
export function errorBody(error: unknown, requestId: string): ApiErrorBody {
  if (!isAppError(error)) {
    const message = `The server failed to answer this request. Its log knows more under ${requestId}.`;
    return { error: { message, type: "server_error", param: null, code: "internal_error" } };
  }
  const param = "param" in error && typeof error.param === "string" ? error.param : null;
  return {
    error: { message: error.message, type: types[error.code], param, code: error.code.toLowerCase() },
  };
}

export function errorResponse(error: unknown, requestId: string): Response {
  const isKnown = isAppError(error);
  const headers = new Headers({ "x-request-id": requestId });
  if (isKnown && error.retryAfterSeconds !== undefined) {
    headers.set("retry-after", String(error.retryAfterSeconds));
  }
  return Response.json(errorBody(error, requestId), {
    status: isKnown ? httpStatus[error.code] : 500,
    headers,
  });
}
