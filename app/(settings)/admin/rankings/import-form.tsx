/** @file Chooses a file of rankings and sends it, with progress; the server reads it afterwards. */
"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { Button } from "@/app/_components/button";
import { inputClass, SelectField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { RankingsImport, RankingsLayout } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes } from "@/app/_lib/format";
import { useTRPC, useTRPCClient } from "@/app/_lib/trpc";
import { sendFile } from "./send-file";

type ImportFormProps = {
  layouts: RankingsLayout[];
  /** What is here already. */
  imports: RankingsImport[];
  onDone: (fileName: string) => void;
};

export function ImportForm({ layouts, imports, onDone }: ImportFormProps) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queries = useQueryClient();
  const controller = useRef<AbortController | null>(null);
  const [file, setFile] = useState<File | null>(null);
  const [layout, setLayout] = useState<RankingsLayout["name"] | null>(null);
  const [sentBytes, setSentBytes] = useState<number | null>(null);
  const [problem, setProblem] = useState("");

  const send = async (chosen: File) => {
    controller.current = new AbortController();
    const { signal } = controller.current;
    setProblem("");
    setSentBytes(0);
    try {
      const { name, size: sizeBytes } = chosen;
      const { importId } = await client.exchange.startImport.mutate({ name, layout, sizeBytes });
      await sendFile({ importId, file: chosen, signal, onProgress: setSentBytes });
      await client.exchange.readImport.mutate({ importId });
      onDone(name);
    } catch (error) {
      if (!signal.aborted) setProblem(errorText(error));
    } finally {
      setSentBytes(null);
      await queries.invalidateQueries({ queryKey: trpc.exchange.imports.queryKey() });
    }
  };

  const twin = imports.find(({ name, sizeBytes }) => name === file?.name && sizeBytes === file.size);
  return (
    <section aria-label="Import rankings" className="max-w-[38rem] space-y-4">
      <label className="block space-y-1">
        <span className="block font-medium">File</span>
        <input
          type="file"
          accept=".jsonl,.json,.gz,.ndjson"
          className={inputClass}
          onChange={({ target }) => setFile(target.files?.[0] ?? null)}
        />
        <span className="block text-small text-muted">JSONL or JSON, also gzipped, up to 1 GB.</span>
      </label>
      <SelectField
        label="Layout"
        hint={layouts.find(({ name }) => name === layout)?.shape ?? "Told from the first items of the file."}
        value={layout ?? ""}
        onChange={({ target }) => setLayout(layouts.find(({ name }) => name === target.value)?.name ?? null)}
      >
        <option value="">Find out by itself</option>
        {layouts.map(({ name, label }) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </SelectField>
      {twin && sentBytes === null && (
        <Notice tone="warning">
          A file of this name and size was imported on <Moment at={twin.createdAt} />. Import it again, and
          each of its rankings counts twice.
        </Notice>
      )}
      {problem && <Notice tone="error">{problem}</Notice>}
      {sentBytes !== null && file ? (
        <div className="space-y-2">
          <progress
            aria-label="Upload"
            max={Math.max(1, file.size)}
            value={sentBytes}
            className="block h-1.5 w-full"
          />
          <div className="flex items-center justify-between gap-4">
            <p role="status" className="text-small text-muted tabular">
              {formatBytes(sentBytes)} of {formatBytes(file.size)}
            </p>
            <Button small onClick={() => controller.current?.abort()}>
              Stop
            </Button>
          </div>
        </div>
      ) : (
        <Button look="primary" disabled={!file} onClick={() => file && void send(file)}>
          Import the file
        </Button>
      )}
    </section>
  );
}
