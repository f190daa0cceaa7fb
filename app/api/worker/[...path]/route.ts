/** @file The worker protocol, for whoever trains: docs/worker-protocol.md. Outside the proxy, so bodies are not cut. */
import { workerRoute } from "@/server/runs/worker-route";

export const dynamic = "force-dynamic";

export const GET = (request: Request): Promise<Response> => workerRoute(request);
export const POST = (request: Request): Promise<Response> => workerRoute(request);
export const PUT = (request: Request): Promise<Response> => workerRoute(request);
