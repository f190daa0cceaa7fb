/** @file A folder that is gone after the test. */
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";

export async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "attune-test-"));
  return {
    path: folder,
    [Symbol.asyncDispose]: () => fs.rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}
