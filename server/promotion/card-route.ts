/** @file Downloads of model cards, for admins and auditors. */
import { z } from "zod";
import { cardMarkdown, readModelCard } from "../domain/promotion/model-card";
import { AppError } from "../errors";
import { forMembers } from "../member-route";

const reading = { permission: "promotion.read", refusal: "Your account may not read promotions." } as const;

const querySchema = z.object({
  promotionId: z.coerce.number().int().positive(),
  format: z.enum(["json", "markdown"]).default("json"),
});

export function sendModelCard(request: Request, promotionId: string): Promise<Response> {
  return forMembers(request, reading, async ({ db, env }) => {
    const { searchParams } = new URL(request.url);
    const query = querySchema.safeParse({ ...Object.fromEntries(searchParams), promotionId });
    if (!query.success) throw new AppError("BAD_REQUEST", "Say which: a number, and ?format=json|markdown.");
    const card = await readModelCard(db, query.data.promotionId, env.ATTUNE_DATA);
    const isJson = query.data.format === "json";
    return new Response(isJson ? `${JSON.stringify(card, null, 2)}\n` : cardMarkdown(card), {
      headers: {
        "content-type": isJson ? "application/json" : "text/markdown; charset=utf-8",
        "content-disposition": `attachment; filename="model-card-${query.data.promotionId}.${isJson ? "json" : "md"}"`,
        "cache-control": "no-store",
      },
    });
  });
}
