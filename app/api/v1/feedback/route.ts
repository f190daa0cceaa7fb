/** @file POST /v1/feedback: feedback on an answer by the completion's id. */
import { apiRoute } from "@/server/openai/api-route";
import { takeFeedback } from "@/server/openai/give-feedback";

export const dynamic = "force-dynamic";

export function POST(request: Request): Promise<Response> {
  return apiRoute(request, (call) => takeFeedback(request, call));
}
