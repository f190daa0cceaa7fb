/** @file Uploads a file of prompts, with progress. */
"use client";

import { useEffect, useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { inputClass } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type { UploadState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes, plural } from "@/app/_lib/format";
import { useTRPCClient } from "@/app/_lib/trpc";
import { type Progress, uploadFile } from "./upload-file";

export function UploadForm({ onDone }: { onDone: (fileName: string, state: UploadState) => void }) {
  const client = useTRPCClient();
  const [file, setFile] = useState<File | null>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const controller = useRef<AbortController | null>(null);
  useEffect(() => () => controller.current?.abort(), []);

  const upload = async (chosen: File) => {
    const abort = new AbortController();
    controller.current = abort;
    setProblem(null);
    setProgress({ sentBytes: 0, totalBytes: chosen.size, lines: 0 });
    try {
      const options = { onProgress: setProgress, signal: abort.signal };
      onDone(chosen.name, await uploadFile(client, chosen, options));
    } catch (error) {
      setProblem(errorText(error));
    } finally {
      setProgress(null);
    }
  };

  return (
    <div className="space-y-4">
      <label className="block space-y-1">
        <span className="block font-medium">File</span>
        <input
          type="file"
          accept=".jsonl,.ndjson,.json,.txt,application/jsonl,application/x-ndjson,text/plain"
          className={inputClass}
          onChange={({ target }) => setFile(target.files?.[0] ?? null)}
        />
        <span className="block text-small text-muted">
          JSONL: each line has <code>prompt</code>, or <code>messages</code> that end with a turn of the user;
          optional <code>group</code> (kept in one split) and <code>sensitive</code>. Any other file: one
          prompt a line. UTF-8. Lines that do not fit are named and left out.
        </span>
      </label>
      {problem && <Notice tone="error">{problem}</Notice>}
      {progress ? (
        <div className="space-y-2">
          <progress
            aria-label="Upload"
            max={Math.max(1, progress.totalBytes)}
            value={progress.sentBytes}
            className="block h-1.5 w-full"
          />
          <div className="flex items-center justify-between gap-4">
            <p role="status" className="text-small text-muted tabular">
              {formatBytes(progress.sentBytes)} of {formatBytes(progress.totalBytes)},{" "}
              {plural(progress.lines, "line", "lines")}
            </p>
            <Button small onClick={() => controller.current?.abort()}>
              Stop
            </Button>
          </div>
        </div>
      ) : (
        <Button look="primary" disabled={!file} onClick={() => file && void upload(file)}>
          Upload the file
        </Button>
      )}
    </div>
  );
}
