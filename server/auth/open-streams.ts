/** @file Streams last longer than the request that was allowed to open them: when its session ends, so do they. */
import { EventEmitter } from "node:events";
import type { SessionUser } from "../context";
import { AppError, isAppError } from "../errors";
import { processState } from "../process-state";
import { toTrpcError } from "../trpc";

/** Whose sessions ended: all of them, all but one, or one. */
export type EndedSessions = { userId: string; except?: string | null; only?: string };

declare global {
  // Next bundles several copies of this file; the streams are one set per process.
  var attuneEndedSessions: EventEmitter | undefined;
}

function endings(): EventEmitter {
  globalThis.attuneEndedSessions ??= new EventEmitter().setMaxListeners(0);
  return globalThis.attuneEndedSessions;
}

/** Call after the change is committed: who comes back is asked who they are. */
export function endStreams(ended: EndedSessions): void {
  endings().emit(ended.userId, ended);
}

/** For a person who is disabled or deleted: their answers stop being made, too. */
export function endAllWork(userId: string): void {
  processState().chat?.generation.expel(userId);
  endStreams({ userId });
}

export type StreamOwner = { user: SessionUser; sessionId: string | null };

/**
 * What `open` yields, until the owner's session ends.
 * @throws {TRPCError} UNAUTHORIZED when it does; what `open` throws, translated
 */
export async function* whileSignedIn<T>(
  { user, sessionId }: StreamOwner,
  signal: AbortSignal | undefined,
  open: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncGenerator<T, void, void> {
  const signedOut = new AbortController();
  const onEnd = ({ except, only }: EndedSessions) => {
    if (only !== undefined && only !== sessionId) return;
    if (except != null && except === sessionId) return;
    signedOut.abort();
  };
  endings().on(user.id, onEnd);
  try {
    yield* open(signal ? AbortSignal.any([signal, signedOut.signal]) : signedOut.signal);
    if (signedOut.signal.aborted) {
      throw new AppError("UNAUTHORIZED", "You were signed out. Sign in to go on.");
    }
  } catch (error) {
    // The procedure's own translation ends where its stream begins.
    throw isAppError(error) ? toTrpcError(error) : error;
  } finally {
    endings().off(user.id, onEnd);
  }
}
