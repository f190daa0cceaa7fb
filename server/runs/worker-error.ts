/** @file What a worker is refused with: a code it acts on, a message for whoever reads its log, and facts. */
import { AppError, type ErrorCode } from "../errors";
import type { Refusal } from "./protocol";

const errorCodes: Record<Refusal, ErrorCode> = {
  unauthorized: "UNAUTHORIZED",
  protocolVersion: "PRECONDITION_FAILED",
  invalid: "BAD_REQUEST",
  tooLarge: "TOO_LARGE",
  notFound: "NOT_FOUND",
  leaseLost: "CONFLICT",
  eventGap: "CONFLICT",
  sha256Mismatch: "BAD_REQUEST",
  incomplete: "CONFLICT",
  gone: "PRECONDITION_FAILED",
  diskFull: "UNAVAILABLE",
  tooManyRequests: "TOO_MANY_REQUESTS",
  unavailable: "UNAVAILABLE",
  internal: "UNAVAILABLE",
};

export class WorkerError extends AppError {
  constructor(
    readonly refusal: Refusal,
    message: string,
    /** Beside code and message in the answer: what to send instead. */
    readonly facts: Record<string, unknown> = {},
  ) {
    super(errorCodes[refusal], message);
  }
}
