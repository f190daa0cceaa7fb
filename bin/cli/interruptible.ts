/** @file Ctrl-C as an AbortSignal. */

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process. Dispose it when the work is done. */
export function interruptible(): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  const abort = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on("SIGINT", abort).on("SIGTERM", abort);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => void process.off("SIGINT", abort).off("SIGTERM", abort),
  };
}
