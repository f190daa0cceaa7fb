/** @file A stream of server-sent events that passes buffering proxies and idle timeouts, and notices when the client leaves. */

const pingEveryMs = 10_000;

/**
 * Each string becomes the data of one event.
 * @param onLeave called when the client is gone before the end; must make `events` end soon, for they are read to the end
 */
export function sseResponse(events: AsyncGenerator<string, void, void>, onLeave: () => void): Response {
  const encoder = new TextEncoder();
  let ping: NodeJS.Timeout | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      ping = setInterval(() => controller.enqueue(encoder.encode(": ping\n\n")), pingEveryMs);
    },
    async pull(controller) {
      const { done, value } = await events.next();
      if (done) {
        clearInterval(ping);
        controller.close();
      } else {
        controller.enqueue(encoder.encode(`data: ${value}\n\n`));
      }
    },
    async cancel() {
      clearInterval(ping);
      onLeave();
      for await (const _event of events);
    },
  });
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}
