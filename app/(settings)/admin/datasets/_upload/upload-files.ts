/** @file Uploads JSONL files as one dataset: begun, sent part by part, sealed. Says how far it is, and names bad lines by file and line. */
import { TRPCClientError } from "@trpc/client";
import type { Dataset } from "@/app/_lib/api-types";
import { errorCode, errorText } from "@/app/_lib/error-text";
import type { useTRPCClient } from "@/app/_lib/trpc";
import { cutLines, renumberLines } from "./cut-lines";

type Client = ReturnType<typeof useTRPCClient>;
/** Rankings come in by an import, and their datasets are made from the product's tables. */
export const uploadKinds = [
  "demonstrations",
  "documents",
  "rankings",
  "prompts",
] as const satisfies readonly Dataset["kind"][];
export type UploadKind = (typeof uploadKinds)[number];
export type Upload = {
  name: string;
  kind: UploadKind;
  description: string;
  files: readonly File[];
  onBadLine: "refuse" | "skip";
};
export type UploadProgress = { sentBytes: number; totalBytes: number; fileName: string; rows: number };
/** Lines left out, with their reasons; some of each part. */
export type SkippedLine = { fileName: string; line: number; reason: string };

/** Below the server's own limit by so much that quotes and accents written as escapes still pass. */
const partCharacters = 1_000_000;
const retryAfterMs = [500, 2_000, 5_000, 10_000];

/** The upload was refused; the message names files and lines. */
export class UploadError extends Error {
  override readonly name = "UploadError";
}

/** @throws {UploadError}; nothing is left on the server then */
export async function uploadFiles(
  client: Client,
  { name, kind, description, files, onBadLine }: Upload,
  { onProgress, signal }: { onProgress: (progress: UploadProgress) => void; signal: AbortSignal },
): Promise<{ dataset: Dataset; skipped: SkippedLine[] }> {
  const { datasetId } = await client.datasets.start.mutate({ name, kind, description });
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  const skipped: SkippedLine[] = [];
  let fileName = "";
  let firstLine = 1;
  try {
    let part = 0;
    let sentBytes = 0;
    for (const file of files) {
      fileName = file.name;
      for await (const piece of cutLines(readText(file), partCharacters)) {
        ({ firstLine } = piece);
        const sent = { datasetId, part, text: piece.text, onBadLine };
        const { faults, rowCount } = await insist(
          () => client.datasets.addLines.mutate(sent, { signal }),
          signal,
        );
        skipped.push(
          ...faults.map(({ line, reason }) => ({
            fileName: file.name,
            line: line + piece.firstLine - 1,
            reason,
          })),
        );
        part += 1;
        sentBytes += new Blob([piece.text]).size;
        onProgress({ sentBytes, totalBytes, fileName, rows: rowCount });
      }
    }
    return { dataset: await client.datasets.seal.mutate({ datasetId }, { signal }), skipped };
  } catch (error) {
    // Half a dataset is of no use; should this fail too, the server removes it after a week.
    await client.datasets.delete.mutate({ datasetId }).catch(() => {});
    if (signal.aborted)
      throw new UploadError("The upload was stopped. Nothing of it was kept.", { cause: error });
    if (error instanceof TypeError) {
      throw new UploadError(`${fileName} is not readable as UTF-8 text. Save it as UTF-8.`, { cause: error });
    }
    throw new UploadError(renumberLines(errorText(error), firstLine, fileName), { cause: error });
  }
}

/** Fatal: bytes that are no UTF-8 are not replaced silently. */
export async function* readText(file: File): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = file.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    yield decoder.decode(value, { stream: true });
  }
  yield decoder.decode();
}

/** A part sent twice is harmless, so a server out of reach is asked again. */
export async function insist<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (const wait of retryAfterMs) {
    try {
      return await send();
    } catch (error) {
      const isRefused = !(error instanceof TRPCClientError) || errorCode(error) !== null;
      if (isRefused || signal.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return send();
}
