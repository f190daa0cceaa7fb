/** @file A task suite on its way in. Outside the proxy, so that its bytes are not cut. */
import { takeSuite } from "@/server/runs/suite-upload-route";

export const dynamic = "force-dynamic";

export function POST(request: Request): Promise<Response> {
  return takeSuite(request);
}
