/** @file One part of a file of rankings on its way in. Outside the proxy, so bodies are not cut. */
import { takeImportPart } from "@/server/exchange/rankings-routes";

export const dynamic = "force-dynamic";

export async function PUT(request: Request, { params }: { params: Promise<object> }): Promise<Response> {
  return takeImportPart(request, await params);
}
