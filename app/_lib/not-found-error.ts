/** @file Tells "there is no such thing" from every other failure of a procedure called on the server. */
import { TRPCError } from "@trpc/server";

/** An id that is no UUID names nothing either. */
export function isNotFound(error: unknown): boolean {
  return error instanceof TRPCError && (error.code === "NOT_FOUND" || error.code === "BAD_REQUEST");
}
