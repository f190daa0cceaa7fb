/** @file An error in words for the person: the server's own where it sent some, else what happened and what is safe. */
import { TRPCClientError } from "@trpc/client";
import { RefusedError } from "./refusal-of";

export function errorText(error: unknown): string {
  if (error instanceof TRPCClientError) {
    if (error.data) return error.message;
    return "The server cannot be reached. Nothing was changed. Check the connection and try again.";
  }
  if (error instanceof RefusedError) return error.message;
  return "Something went wrong on this page. Nothing was changed. Reload it and try again.";
}

/** The tRPC code (`NOT_FOUND`, `UNAUTHORIZED`, …), or null when the server did not answer. */
export function errorCode(error: unknown): string | null {
  if (!(error instanceof TRPCClientError)) return null;
  const data: unknown = error.data;
  return typeof data === "object" && data && "code" in data ? String(data.code) : null;
}
