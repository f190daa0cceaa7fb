/** @file Uploads JSONL files as a dataset, with progress and a way to stop. */
"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { inputClass, SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import type { Dataset } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes, plural } from "@/app/_lib/format";
import { useTRPC, useTRPCClient } from "@/app/_lib/trpc";
import { kindNames, kindTexts } from "../kind-names";
import {
  type SkippedLine,
  UploadError,
  type UploadKind,
  type UploadProgress,
  uploadFiles,
  uploadKinds,
} from "./upload-files";

type UploadFormProps = {
  /** Where the place of the form decides it. */
  kind?: UploadKind;
  onDone: (dataset: Dataset, skipped: SkippedLine[]) => void;
};

export function UploadForm({ kind: fixedKind, onDone }: UploadFormProps) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [chosenKind, setChosenKind] = useState<UploadKind>("demonstrations");
  const [files, setFiles] = useState<File[]>([]);
  const [skipsBadLines, setSkipsBadLines] = useState(false);
  const [progress, setProgress] = useState<UploadProgress | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const controller = useRef<AbortController | null>(null);
  const kind = fixedKind ?? chosenKind;
  useEffect(() => () => controller.current?.abort(), []);

  const upload = async () => {
    const abort = new AbortController();
    controller.current = abort;
    setProblem(null);
    setProgress({
      sentBytes: 0,
      totalBytes: files.reduce((sum, { size }) => sum + size, 0),
      fileName: "",
      rows: 0,
    });
    try {
      const { dataset, skipped } = await uploadFiles(
        client,
        { name, kind, description: "", files, onBadLine: skipsBadLines ? "skip" : "refuse" },
        { onProgress: setProgress, signal: abort.signal },
      );
      await queries.invalidateQueries({ queryKey: trpc.datasets.pathKey() });
      setFiles([]);
      setName("");
      onDone(dataset, skipped);
    } catch (error) {
      setProblem(error instanceof UploadError ? error.message : errorText(error));
    } finally {
      setProgress(null);
    }
  };

  return (
    // No form of its own: it stands inside the form of a new run as well.
    <section aria-label="Upload a dataset" className="max-w-[38rem] space-y-4">
      {!fixedKind && (
        <SelectField
          label="Kind"
          hint={kindTexts[kind]}
          value={kind}
          onChange={({ target }) =>
            setChosenKind(uploadKinds.find((each) => each === target.value) ?? "demonstrations")
          }
        >
          {uploadKinds.map((value) => (
            <option key={value} value={value}>
              {kindNames[value]}
            </option>
          ))}
        </SelectField>
      )}
      <label className="block space-y-1">
        <span className="block font-medium">Files</span>
        <input
          type="file"
          multiple
          accept=".jsonl,.ndjson,.json,.txt,application/jsonl,application/x-ndjson"
          className={inputClass}
          onChange={({ target }) => {
            const chosen = [...(target.files ?? [])];
            setFiles(chosen);
            // A name that came from files goes with them; one that was written stays.
            if (name === "" || name === nameOf(files)) setName(nameOf(chosen));
          }}
        />
        <span className="block text-small text-muted">JSONL in UTF-8. {fixedKind && kindTexts[kind]}</span>
      </label>
      <TextField
        label="Name of the dataset"
        maxLength={100}
        value={name}
        onChange={({ target }) => setName(target.value)}
      />
      <Switch
        label="Leave out lines that do not fit"
        hint="Off: the first bad lines are named, and nothing is stored. On: they are counted and left out."
        checked={skipsBadLines}
        onChange={setSkipsBadLines}
      />
      {problem && (
        <Notice tone="error">
          <span className="whitespace-pre-wrap">{problem}</span>
        </Notice>
      )}
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
              {plural(progress.rows, "row", "rows")} {progress.fileName && `· ${progress.fileName}`}
            </p>
            <Button small onClick={() => controller.current?.abort()}>
              Stop
            </Button>
          </div>
        </div>
      ) : (
        <Button disabled={files.length === 0 || name.trim() === ""} onClick={() => void upload()}>
          Upload {files.length > 1 ? `${files.length} files` : "the file"}
        </Button>
      )}
    </section>
  );
}

function nameOf([first]: readonly File[]): string {
  return (first?.name ?? "").replace(/\.[^.]*$/, "");
}
