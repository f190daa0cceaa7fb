/** @file The pages, made by Next. */
import type { Env } from "@/server/env";
import { projectRoot } from "@/server/project-root";
import type { Pages } from "./run-server";

/** With ATTUNE_DEV pages are compiled on request; otherwise `.next` must have been built. */
export async function prepareNext(env: Env): Promise<Pages> {
  const dev = env.ATTUNE_DEV;
  // Next and React read it when they are loaded, and TypeScript takes it for a constant.
  Object.assign(process.env, { NODE_ENV: dev ? "development" : "production", NEXT_TELEMETRY_DISABLED: "1" });
  const { default: next } = await import("next");
  const app = next({ dev, dir: projectRoot, hostname: env.HOST, port: env.PORT });
  await app.prepare();
  const handle = app.getRequestHandler();
  const upgrade = app.getUpgradeHandler();
  return {
    handle: (request, response) => handle(request, response),
    ...(dev && { onUpgrade: (...args) => void upgrade(...args) }),
  };
}
