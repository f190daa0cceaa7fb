/** @file Downloads for admins: a run's records, and a checkpoint's files. */
import path from "node:path";
import { z } from "zod";
import { baseFolderName } from "@/model/checkpoint/lineage-base";
import { AppError } from "../errors";
import { forMembers } from "../member-route";
import { type CheckpointPlace, findLineageBaseId, locateFiles, stateFolder } from "./artifacts";
import { downloadResponse, openFile, streamBytes, streamText } from "./file-response";
import { exportContents, exportFormats, exportRun } from "./run-export";
import { type ArchivedFile, tarBytes, tarSize } from "./tar";

const reading = { permission: "runs.read", refusal: "Your account may not read runs." } as const;

const exportQuery = z.object({
  content: z.enum(exportContents),
  format: z.enum(exportFormats).default("jsonl"),
});

/** `?content=metrics&format=csv`; see {@link exportContents}. */
export function sendRunExport(request: Request, runId: string): Promise<Response> {
  return forMembers(request, reading, async ({ db }) => {
    const query = exportQuery.safeParse(Object.fromEntries(new URL(request.url).searchParams));
    if (!query.success || !z.uuid().safeParse(runId).success) {
      throw new AppError(
        "BAD_REQUEST",
        `Say what: ?content=${exportContents.join("|")}&format=${exportFormats.join("|")}.`,
      );
    }
    const { fileName, contentType, parts } = await exportRun(db, { runId, ...query.data });
    return new Response(streamText(parts), {
      headers: {
        "content-type": contentType,
        "content-disposition": `attachment; filename="${fileName}"`,
        "cache-control": "no-store",
      },
    });
  });
}

/** One file of a checkpoint, by its path in the folder. */
export function sendCheckpointFile(request: Request, checkpointId: string, name: string): Promise<Response> {
  return forMembers(request, reading, async ({ db, env }) => {
    const { folder, files } = await locateFiles(db, checkpointId, env.ATTUNE_DATA);
    const facts = Object.hasOwn(files, name) ? files[name] : undefined;
    if (!facts) throw new AppError("NOT_FOUND", `This checkpoint has no file ${name}.`);
    return downloadResponse(request, {
      sizeBytes: facts.sizeBytes,
      tag: facts.sha256,
      contentType: "application/octet-stream",
      fileName: path.basename(name),
      open: openFile(path.join(folder, name)),
    });
  });
}

/**
 * A checkpoint as one archive: a folder that chats as it is unpacked. Below it, in `base/`, lies the base of an adapter, where
 * it is looked for. The training state is left out: only a run of this server can go on with it.
 */
export function sendCheckpointArchive(request: Request, checkpointId: string): Promise<Response> {
  return forMembers(request, reading, async ({ db, env }) => {
    const place = await locateFiles(db, checkpointId, env.ATTUNE_DATA);
    const baseId = await findLineageBaseId(db, checkpointId);
    const base = baseId === null ? null : await locateFiles(db, baseId, env.ATTUNE_DATA);
    const name = `${place.name.replace(/[^\w.-]+/g, "-").slice(0, 60)}-${place.id.slice(0, 12)}`;
    const files = [
      ...filesBelow(name, place),
      ...(base === null ? [] : filesBelow(`${name}/${baseFolderName}`, base)),
    ];
    return new Response(streamBytes(tarBytes(files)), {
      headers: {
        "content-type": "application/x-tar",
        "content-length": String(tarSize(files)),
        "content-disposition": `attachment; filename="${name}.tar"`,
        "cache-control": "no-store",
      },
    });
  });
}

function filesBelow(parent: string, { folder, files }: CheckpointPlace): ArchivedFile[] {
  return Object.entries(files)
    .filter(([name]) => !name.startsWith(`${stateFolder}/`))
    .map(([name, { sizeBytes }]) => ({
      name: `${parent}/${name}`,
      file: path.join(folder, name),
      sizeBytes,
    }));
}
