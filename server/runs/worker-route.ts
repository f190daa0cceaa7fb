/** @file The routes of the worker protocol: token, version and size first, then one function each; errors in one shape. */
import path from "node:path";
import { z } from "zod";
import { withBoundedBody } from "../auth/request-checks";
import { newRequestId } from "../context";
import { isRefusedValue, refusedValue } from "../db/refused-value";
import { findByte, measureLines, readDataset, readHashes, readLines } from "../domain/datasets";
import { processEnv } from "../env";
import { type ErrorCode, isAppError } from "../errors";
import { log } from "../log";
import { processDb } from "../request-context";
import { locateFiles } from "./artifacts";
import { claimRun } from "./claim";
import { downloadResponse, openFile, streamText } from "./file-response";
import { completeRun, failRun, heartbeat, releaseRun, type WorkerCall } from "./lease";
import {
  claimRequest,
  completeRequest,
  completeUploadRequest,
  eventsRequest,
  failRequest,
  heartbeatRequest,
  maxMessageBytes,
  openUploadRequest,
  partBytes,
  partDigestHeader,
  partQuery,
  protocolHeader,
  protocolVersion,
  type Refusal,
  refusals,
  releaseRequest,
} from "./protocol";
import { readHeldInputs } from "./run-inputs";
import { openSuiteFile } from "./run-suites";
import { completeUpload, openUpload, putPart } from "./uploads";
import { WorkerError } from "./worker-error";
import { takeEvents } from "./worker-events";
import { authenticateWorker } from "./workers";

type Handler = (call: WorkerCall, request: Request, params: Record<string, string>) => Promise<Response>;

/** A message whose body fits `schema`, answered as JSON. */
function message<S extends z.ZodType>(
  schema: S,
  answer: (call: WorkerCall, body: z.output<S>, id: string) => Promise<object>,
): Handler {
  return async (call, request, { id = "" }) =>
    Response.json(await answer(call, await readBody(schema, request), id));
}

const routes: Record<string, Handler> = {
  "POST claim": message(claimRequest, (call, body) => claimRun(call, body)),
  "POST runs/:id/heartbeat": message(heartbeatRequest, (call, body, id) => heartbeat(call, id, body)),
  "POST runs/:id/events": message(eventsRequest, (call, body, id) => takeEvents(call, id, body)),
  "POST runs/:id/release": message(releaseRequest, (call, body, id) => releaseRun(call, id, body)),
  "POST runs/:id/complete": message(completeRequest, (call, body, id) => completeRun(call, id, body)),
  "POST runs/:id/fail": message(failRequest, (call, body, id) => failRun(call, id, body)),
  "POST runs/:id/uploads": message(openUploadRequest, (call, body, id) => openUpload(call, id, body)),
  "PUT uploads/:id/parts": takePart,
  "POST uploads/:id/complete": message(completeUploadRequest, (call, body, id) =>
    completeUpload(call, id, body),
  ),
  "GET datasets/:id/rows": sendRows,
  "GET datasets/:id/hashes": sendHashes,
  "GET checkpoints/:id/files/*": sendFile,
  "GET runs/:id/suites/*": sendSuiteFile,
};

/** One of the routes above, by method and path below /api/worker. */
export async function workerRoute(request: Request): Promise<Response> {
  const requestId = newRequestId();
  try {
    const env = processEnv();
    const db = processDb();
    const worker = await authenticateWorker(db, request.headers.get("authorization"));
    if (!worker) {
      throw new WorkerError(
        "unauthorized",
        "The worker's token is missing, wrong or revoked. An admin makes one in Runs → Workers; send it as “Authorization: Bearer atw_…”.",
      );
    }
    checkVersion(request.headers.get(protocolHeader));
    const { handler, params } = findRoute(request);
    const call = { db, worker, dataFolder: env.ATTUNE_DATA, leaseSeconds: env.ATTUNE_LEASE_SECONDS };
    return await handler(call, request, params);
  } catch (error) {
    return toResponse(isRefusedValue(error) ? refusedValue(error) : error, requestId);
  }
}

function checkVersion(given: string | null): void {
  if (given === String(protocolVersion)) return;
  throw new WorkerError(
    "protocolVersion",
    `This server speaks version ${protocolVersion} of the worker protocol; the worker speaks ${given ?? "none"} (${protocolHeader}). Update the older of the two.`,
    { server: protocolVersion, worker: given },
  );
}

function findRoute(request: Request): { handler: Handler; params: Record<string, string> } {
  const { pathname } = new URL(request.url);
  const asked = `${request.method} ${pathname.replace(/^.*?\/api\/worker\//, "")}`.split("/");
  for (const [pattern, handler] of Object.entries(routes)) {
    const params = match(pattern.split("/"), asked);
    if (params) return { handler, params };
  }
  throw new WorkerError("notFound", `The worker protocol has no ${request.method} ${pathname}.`);
}

const ids = z.union([z.uuid(), z.string().regex(/^[0-9a-f]{64}$/)]);

function match(pattern: readonly string[], asked: readonly string[]): Record<string, string> | null {
  const params: Record<string, string> = {};
  for (const [i, part] of pattern.entries()) {
    if (part === "*") return { ...params, rest: asked.slice(i).map(decodeURIComponent).join("/") };
    const given = asked[i] ?? "";
    if (part.startsWith(":")) {
      if (!ids.safeParse(given).success) return null;
      params[part.slice(1)] = given;
    } else if (part !== given) return null;
  }
  return asked.length === pattern.length ? params : null;
}

async function readBody<S extends z.ZodType>(schema: S, request: Request): Promise<z.output<S>> {
  const bounded = await withBoundedBody(request, maxMessageBytes);
  const body: unknown = await bounded.json().catch(() => {
    throw new WorkerError("invalid", "The body is not JSON.");
  });
  return parse(schema, body);
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  throw new WorkerError("invalid", faults.join("; "));
}

async function takePart(
  call: WorkerCall,
  request: Request,
  { id = "" }: Record<string, string>,
): Promise<Response> {
  const query = parse(partQuery, Object.fromEntries(new URL(request.url).searchParams));
  const sha256 = parse(
    z.string().regex(/^[0-9a-f]{64}$/, `${partDigestHeader} must be the part's sha256`),
    request.headers.get(partDigestHeader),
  );
  const bounded = await withBoundedBody(request, partBytes);
  const bytes = new Uint8Array(await bounded.arrayBuffer());
  return Response.json(await putPart(call, { uploadId: id, ...query, sha256, bytes }));
}

/** A worker reads what the run it holds needs, and nothing else. */
async function requireInput({ db, worker }: WorkerCall, id: string): Promise<void> {
  const { datasetIds, checkpointIds } = await readHeldInputs(db, worker.id);
  if (datasetIds.includes(id) || checkpointIds.includes(id)) return;
  throw new WorkerError("notFound", "The run this worker holds needs no such dataset or checkpoint.");
}

async function sendRows(
  call: WorkerCall,
  request: Request,
  { id = "" }: Record<string, string>,
): Promise<Response> {
  await requireInput(call, id);
  const { db } = call;
  const { sha256 } = await readDataset(db, id);
  const { sizeBytes, erasedRows } = await measureLines(db, id);
  return downloadResponse(request, {
    sizeBytes,
    tag: `${sha256}-${erasedRows}`,
    contentType: "application/jsonl; charset=utf-8",
    async open(start, end) {
      const first = await findByte(db, id, start);
      const lines = readLines(db, id, first?.position ?? 0);
      return streamText(lines, { skip: first?.skip ?? 0, length: end - start + 1 });
    },
  });
}

async function sendHashes(
  call: WorkerCall,
  _request: Request,
  { id = "" }: Record<string, string>,
): Promise<Response> {
  await requireInput(call, id);
  const headers = { "content-type": "text/plain; charset=utf-8" };
  return new Response(streamText(readHashes(call.db, id)), { headers });
}

async function sendFile(
  call: WorkerCall,
  request: Request,
  { id = "", rest = "" }: Record<string, string>,
): Promise<Response> {
  await requireInput(call, id);
  const { folder, files } = await locateFiles(call.db, id, call.dataFolder);
  const facts = Object.hasOwn(files, rest) ? files[rest] : undefined;
  if (!facts) throw new WorkerError("notFound", `Checkpoint ${id} has no file ${rest}.`);
  return downloadResponse(request, {
    sizeBytes: facts.sizeBytes,
    tag: facts.sha256,
    contentType: "application/octet-stream",
    open: openFile(path.join(folder, rest)),
  });
}

async function sendSuiteFile(
  { db, worker, dataFolder }: WorkerCall,
  _request: Request,
  { id = "", rest = "" }: Record<string, string>,
): Promise<Response> {
  const body = await openSuiteFile(db, { runId: id, workerId: worker.id, rest, dataFolder });
  return new Response(body, { headers: { "content-type": "application/json; charset=utf-8" } });
}

/** How errors that know nothing of workers are told to them. */
const refusalOf: Record<ErrorCode, Refusal> = {
  BAD_REQUEST: "invalid",
  UNAUTHORIZED: "unauthorized",
  FORBIDDEN: "unauthorized",
  NOT_FOUND: "notFound",
  CONFLICT: "invalid",
  PRECONDITION_FAILED: "gone",
  TOO_LARGE: "tooLarge",
  TOO_MANY_REQUESTS: "tooManyRequests",
  UNAVAILABLE: "unavailable",
};

function toResponse(error: unknown, requestId: string): Response {
  const headers = { "x-request-id": requestId };
  if (!isAppError(error)) {
    log.error({ err: error, requestId }, "a worker's request failed");
    const text = `The server failed at this request. Its log knows more under ${requestId}. Try again.`;
    return Response.json(
      { error: { code: "internal", message: text } },
      { status: refusals.internal, headers },
    );
  }
  const refusal = error instanceof WorkerError ? error.refusal : refusalOf[error.code];
  const facts = error instanceof WorkerError ? error.facts : {};
  return Response.json(
    { error: { ...facts, code: refusal, message: error.message } },
    { status: refusals[refusal], headers },
  );
}
