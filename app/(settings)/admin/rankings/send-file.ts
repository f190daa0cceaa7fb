/** @file Sends a file of rankings in parts; a part that fails is sent again. */
import { RefusedError, refusalOf } from "@/app/_lib/refusal-of";

const partBytes = 8 * 1024 * 1024;
const retryAfterMs = [500, 2_000, 5_000];

type Sending = {
  importId: string;
  file: File;
  onProgress: (sentBytes: number) => void;
  signal: AbortSignal;
};

/** @throws {Error} with the server's words */
export async function sendFile({ importId, file, onProgress, signal }: Sending): Promise<void> {
  for (let part = 0; part * partBytes < file.size; part++) {
    const start = part * partBytes;
    await sendPart(`/api/imports/${importId}/${part}`, file.slice(start, start + partBytes), signal);
    onProgress(Math.min(file.size, start + partBytes));
  }
}

async function sendPart(url: string, body: Blob, signal: AbortSignal): Promise<void> {
  for (const waitMs of [...retryAfterMs, null]) {
    const headers = { "content-type": "application/octet-stream" };
    const response = await fetch(url, { method: "PUT", body, headers, signal }).catch((error: unknown) => {
      if (signal.aborted || waitMs === null) throw error;
      return null;
    });
    if (response?.ok) return;
    // What the server refuses for what it is will be refused again.
    if (response && response.status < 500) throw await refusalOf(response);
    if (waitMs === null) throw new RefusedError("The server does not answer. Try again in a while.");
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
