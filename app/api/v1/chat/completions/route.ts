/** @file POST /v1/chat/completions, in OpenAI's shape. */
import { apiRoute } from "@/server/openai/api-route";
import { completeChat } from "@/server/openai/complete-chat";

export const dynamic = "force-dynamic";

export function POST(request: Request): Promise<Response> {
  return apiRoute(request, (call) => completeChat(request, call));
}
