/** @file Uploads a file of prompts part by part, with progress and a way to stop. */
import type { UploadState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import type { useTRPCClient } from "@/app/_lib/trpc";
import { cutLines } from "../datasets/_upload/cut-lines";
import { insist, readText, UploadError } from "../datasets/_upload/upload-files";

type Client = ReturnType<typeof useTRPCClient>;
export type Progress = { sentBytes: number; totalBytes: number; lines: number };

/** Small enough that a part is taken within seconds: each line is checked against all prompts. */
const partCharacters = 100_000;

/** @throws {UploadError}; what was taken before stays and is told by the page */
export async function uploadFile(
  client: Client,
  file: File,
  { onProgress, signal }: { onProgress: (progress: Progress) => void; signal: AbortSignal },
): Promise<UploadState> {
  const layout = /\.(jsonl|ndjson|json)$/i.test(file.name) ? "jsonl" : "text";
  try {
    const { importId } = await client.prompts.startUpload.mutate({ name: file.name, layout });
    let part = 0;
    let sentBytes = 0;
    for await (const { text } of cutLines(readText(file), partCharacters)) {
      const sent = { importId, part, text };
      const { counts } = await insist(() => client.prompts.addLines.mutate(sent, { signal }), signal);
      part += 1;
      sentBytes += new Blob([text]).size;
      onProgress({ sentBytes, totalBytes: file.size, lines: counts.lines });
    }
    return await client.prompts.finishUpload.mutate({ importId });
  } catch (error) {
    if (signal.aborted) {
      throw new UploadError("The upload was stopped. The lines sent before are prompts now.", {
        cause: error,
      });
    }
    if (error instanceof TypeError) {
      throw new UploadError(`${file.name} is not readable as UTF-8 text. Save it as UTF-8.`, {
        cause: error,
      });
    }
    throw new UploadError(errorText(error), { cause: error });
  }
}
