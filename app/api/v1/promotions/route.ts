/** @file GET /v1/promotions: what was live when, for admins and auditors. */
import { apiRoute } from "@/server/openai/api-route";
import { answerLiveAt } from "@/server/promotion/live-at";

export const dynamic = "force-dynamic";

export function GET(request: Request): Promise<Response> {
  return apiRoute(request, (call) => answerLiveAt(request, call));
}
