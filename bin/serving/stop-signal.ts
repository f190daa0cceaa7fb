/** @file When to stop: the first signal asks, the second one forces. */

/** Resolves at the first Ctrl-C or termination signal; after that, another one ends the process at once. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isStopping = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (isStopping) {
        console.error("\nStopped at once. Answers in the making are kept as far as they were stored.");
        process.exit(130);
      }
      isStopping = true;
      console.log("\nStopping: running answers may finish for a few seconds. Ctrl-C again stops at once.");
      resolve(signal);
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, onSignal);
    // `npm start` was killed without a word: nobody would see or stop this process any more.
    process.once("disconnect", () => onSignal("SIGTERM"));
  });
}
