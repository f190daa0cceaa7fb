/** @file GET /healthz: for load balancers and supervisors; 503 when this process should get no traffic. */
import { readHealth } from "@/server/domain/health";
import { processEnv } from "@/server/env";
import { processState } from "@/server/process-state";

export const dynamic = "force-dynamic";

export async function GET(): Promise<Response> {
  const health = await readHealth(processState(), processEnv().ATTUNE_DATA);
  return Response.json(health, {
    status: health.status === "ok" ? 200 : 503,
    headers: { "cache-control": "no-store" },
  });
}
