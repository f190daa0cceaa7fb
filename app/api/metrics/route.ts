/** @file GET /metrics, for Prometheus: from this machine, or with the token of data/server.json. */
import { clientAddressHeader } from "@/server/auth/client-address";
import { hasControlToken, isLocal } from "@/server/auth/control-token";
import { processState } from "@/server/process-state";

export const dynamic = "force-dynamic";

export async function GET(request: Request): Promise<Response> {
  if (!isLocal(request, clientAddressHeader) && !hasControlToken(request)) {
    return new Response("Metrics are for this machine, or for the token in data/server.json.\n", {
      status: 403,
    });
  }
  const metrics = processState().chat?.metrics;
  if (!metrics) return new Response("The server is starting.\n", { status: 503 });
  return new Response(await metrics.text(), { headers: { "content-type": metrics.contentType } });
}
