/** @file The HTTP server around the pages: measures requests, refuses when draining, closes without cutting answers. */
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { stampClientAddress } from "../auth/client-address";
import type { Env } from "../env";
import type { Metrics } from "../metrics";

export type PageHandler = (request: http.IncomingMessage, response: http.ServerResponse) => Promise<void>;

export type WebServer = {
  /** The port really bound, where 0 was asked for. */
  port: number;
  /** Resolves when every connection is closed; open ones are cut after `graceMs`. */
  close(graceMs: number): Promise<void>;
};

export type WebServerOptions = {
  env: Pick<Env, "PORT" | "HOST" | "ATTUNE_TRUSTED_PROXIES">;
  handle: PageHandler;
  onUpgrade?: ((request: http.IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  metrics: Metrics;
  onError: (error: unknown) => void;
};

/** Longer than the usual proxy's, so that it is never the server that closes a connection being reused. */
const keepAliveMs = 75_000;

/** @throws {Error} EADDRINUSE and the like */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const { env, handle, metrics, onError } = options;
  const server = http.createServer({ keepAliveTimeout: keepAliveMs }, (request, response) => {
    stampClientAddress(request, env);
    measure(request, response, metrics);
    handle(request, response).catch((error: unknown) => {
      onError(error);
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end();
    });
  });
  if (options.onUpgrade) server.on("upgrade", options.onUpgrade);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(env.PORT, env.HOST, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(cut);
    },
  };
}

function measure(request: http.IncomingMessage, response: http.ServerResponse, metrics: Metrics): void {
  const startedAt = performance.now();
  const path = request.url?.split("?", 1)[0] ?? "/";
  const writeHead = response.writeHead;
  let seconds: number | null = null;
  // A stream ends when its answer does; what matters is when it began.
  response.writeHead = ((...args: Parameters<typeof writeHead>) => {
    seconds ??= (performance.now() - startedAt) / 1000;
    return writeHead.apply(response, args);
  }) as typeof writeHead;
  response.once("close", () => {
    metrics.observeRequest({
      path,
      method: request.method ?? "GET",
      status: response.statusCode,
      seconds: seconds ?? (performance.now() - startedAt) / 1000,
    });
  });
}
