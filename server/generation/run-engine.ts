/** @file The engine side of the protocol: loads one policy, answers requests, says that it is alive. Knows no web, no database. */
import os from "node:os";
import type { Generator } from "@/model/runtime/types";
import { type EngineError, type FromEngine, heartbeatMs, type LoadMessage, type ToEngine } from "./protocol";

export type LoadGenerator = (
  folder: string,
  options: LoadMessage["options"] & Pick<LoadMessage, "basePlaces">,
) => Promise<Generator>;

/** Below the web process (0): generation must never starve pages. Above a trainer (10). */
const niceness = 5;

/** Serves the parent process until it goes away. Call once, first thing, in a forked process. */
export function runEngine(loadGenerator: LoadGenerator): void {
  // Before any math thread exists: on Linux each thread has its own priority and takes it from its maker.
  os.setPriority(niceness);
  // Ctrl-C reaches the whole process group; the parent decides when streams have ended and the engine may go.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit(0));

  const running = new Map<number, AbortController>();
  let generator: Generator | null = null;

  process.on("message", (message: ToEngine) => {
    if (message.type === "load") void load(message);
    else if (message.type === "cancel") running.get(message.requestId)?.abort();
    else void generate(message);
  });
  setInterval(() => send({ type: "heartbeat", rssBytes: process.memoryUsage.rss() }), heartbeatMs);

  async function load({ folder, basePlaces, options }: LoadMessage): Promise<void> {
    try {
      generator = await loadGenerator(folder, { ...options, basePlaces });
      send({ type: "loaded", info: generator.info });
    } catch (error) {
      send({ type: "loadFailed", error: describe(error) });
    }
  }

  async function generate({ requestId, request }: Extract<ToEngine, { type: "generate" }>): Promise<void> {
    const controller = new AbortController();
    running.set(requestId, controller);
    try {
      if (!generator) throw new Error("The engine was asked to generate before it had loaded a policy");
      for await (const event of generator.generate(request, controller.signal)) {
        send({ type: "event", requestId, event });
      }
      send({ type: "ended", requestId, error: null });
    } catch (error) {
      send({ type: "ended", requestId, error: describe(error) });
    } finally {
      running.delete(requestId);
    }
  }
}

function send(message: FromEngine): void {
  // Without a channel the parent is gone, and `disconnect` ends this process.
  if (process.connected) process.send?.(message);
}

function describe(error: unknown): EngineError {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
}
