/** @file A run's metrics, samples, logs or incidents as CSV or JSONL. */
import { sendRunExport } from "@/server/runs/download-routes";

export const dynamic = "force-dynamic";

export async function GET(
  request: Request,
  { params }: { params: Promise<{ runId: string }> },
): Promise<Response> {
  return sendRunExport(request, (await params).runId);
}
