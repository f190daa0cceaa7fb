/** @file POST /v1/score: what a reward model gives responses. */
import { apiRoute } from "@/server/openai/api-route";
import { giveScores } from "@/server/openai/give-scores";

export const dynamic = "force-dynamic";

export function POST(request: Request): Promise<Response> {
  return apiRoute(request, (call) => giveScores(request, call));
}
