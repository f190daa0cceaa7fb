/** @file A whole checkpoint as one tar archive, the base of an adapter included. */
import { sendCheckpointArchive } from "@/server/runs/download-routes";

export const dynamic = "force-dynamic";

type Params = { checkpointId: string };

export async function GET(request: Request, { params }: { params: Promise<Params> }): Promise<Response> {
  const { checkpointId } = await params;
  return sendCheckpointArchive(request, checkpointId);
}
