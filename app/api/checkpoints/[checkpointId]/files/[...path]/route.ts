/** @file One file of a checkpoint, in ranges where asked. */
import { sendCheckpointFile } from "@/server/runs/download-routes";

export const dynamic = "force-dynamic";

type Params = { checkpointId: string; path: string[] };

export async function GET(request: Request, { params }: { params: Promise<Params> }): Promise<Response> {
  const { checkpointId, path } = await params;
  return sendCheckpointFile(request, checkpointId, path.join("/"));
}
