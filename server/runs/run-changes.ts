/** @file Tells open pages that a run has something new; what it is they read from the database. */
import { EventEmitter } from "node:events";

declare global {
  // Next bundles several copies of this file; the listeners are one set per process.
  var attuneRunChanges: EventEmitter | undefined;
}

const anyRun = "any";

function emitter(): EventEmitter {
  globalThis.attuneRunChanges ??= new EventEmitter().setMaxListeners(0);
  return globalThis.attuneRunChanges;
}

/** Call after the change is committed. */
export function publishRun(runId: string): void {
  emitter().emit(runId, runId);
  emitter().emit(anyRun, runId);
}

/**
 * Ids of runs that changed, several at once where they came faster than they were read. Ends when `signal` is aborted.
 * Listening begins with the call itself, so what is read afterwards misses nothing.
 * @param runId null: every run
 */
export function listenToRuns(
  runId: string | null,
  signal?: AbortSignal,
): AsyncGenerator<string[], void, void> {
  const pending = new Set<string>();
  let wake = () => {};
  const note = (id: string) => {
    pending.add(id);
    wake();
  };
  const channel = runId ?? anyRun;
  emitter().on(channel, note);
  const stop = () => {
    emitter().off(channel, note);
    wake();
  };
  signal?.addEventListener("abort", stop, { once: true });
  return (async function* () {
    try {
      while (!signal?.aborted) {
        if (pending.size === 0) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        const changed = [...pending];
        pending.clear();
        yield changed;
      }
    } finally {
      signal?.removeEventListener("abort", stop);
      stop();
    }
  })();
}
