/** @file GET /v1/models: channels and checkpoints, in OpenAI's shape. */
import { apiRoute } from "@/server/openai/api-route";
import { listApiModels } from "@/server/openai/choose-model";

export const dynamic = "force-dynamic";

export function GET(request: Request): Promise<Response> {
  return apiRoute(request, async ({ db, holder }) =>
    Response.json({ object: "list", data: await listApiModels(db, holder.user) }),
  );
}
