/** @file Plain HTTP of rankings: the parts of an import, which are bytes, and the download of an export. */
import { z } from "zod";
import { checkUpload } from "../auth/request-checks";
import { exportLayouts, exportRankings } from "../domain/exchange/export-rankings";
import { partBytes, receivePart } from "../domain/exchange/imports";
import { rankingFilterSchema } from "../domain/exchange/read-ranked-prompts";
import { AppError } from "../errors";
import { forMembers } from "../member-route";
import { streamBytes } from "../runs/file-response";

const leading = {
  permission: "labeling.lead",
  refusal: "Your account may not handle rankings of others.",
} as const;

const partKey = z.object({ importId: z.uuid(), part: z.coerce.number().int().min(0) });

/** PUT: one part of the file, 8 MiB at most. */
export function takeImportPart(request: Request, params: object): Promise<Response> {
  return forMembers(request, leading, async ({ db, env }) => {
    const key = partKey.safeParse(params);
    if (!key.success)
      throw new AppError("BAD_REQUEST", "Parts are numbered from 0, within an import that is begun.");
    const bytes = new Uint8Array(await (await checkUpload(request, env, partBytes)).arrayBuffer());
    return Response.json(await receivePart(db, { ...key.data, bytes, dataFolder: env.ATTUNE_DATA }));
  });
}

const exportQuery = z.object({
  layout: z.enum(exportLayouts).default("kWay"),
  /** Batch ids, separated by commas; none: all. */
  batches: z.string().default(""),
  heldOut: z.enum(["yes", "no"]).default("no"),
});

/** GET `?layout=kWay|trl|…|parquet&batches=…&heldOut=yes`. */
export function sendRankings(request: Request): Promise<Response> {
  return forMembers(request, leading, async ({ db }, user) => {
    const query = exportQuery.safeParse(Object.fromEntries(new URL(request.url).searchParams));
    const filter = rankingFilterSchema.safeParse({
      batchIds: query.data?.batches.split(",").filter((id) => id !== ""),
    });
    if (!query.success || !filter.success) {
      throw new AppError(
        "BAD_REQUEST",
        `Say how: ?layout=${exportLayouts.join("|")}&batches=<ids>&heldOut=yes|no.`,
      );
    }
    const { layout, heldOut } = query.data;
    const options = { ...filter.data, layout, withHeldOut: heldOut === "yes", actorId: user.id };
    const { fileName, contentType, bytes } = await exportRankings(db, options);
    return new Response(streamBytes(bytes), {
      headers: {
        "content-type": contentType,
        "content-disposition": `attachment; filename="${fileName}"`,
        "cache-control": "no-store",
      },
    });
  });
}
