/** @file The signed model card of a promotion: `?format=json` or `markdown`. */
import { sendModelCard } from "@/server/promotion/card-route";

export const dynamic = "force-dynamic";

type Params = { promotionId: string };

export async function GET(request: Request, { params }: { params: Promise<Params> }): Promise<Response> {
  return sendModelCard(request, (await params).promotionId);
}
