/** @file Brings conversations from ChatGPT, open-webui or LibreChat, and asks whether they may be used. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { inputClass } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { ImportsState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../_frame/section";
import { type HistoryResult, sendHistory } from "./send-history";

export function HistorySection({ initialState }: { initialState: ImportsState }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [files, setFiles] = useState<File[]>([]);
  const [share, setShare] = useState<{ fileName: string; sent: number } | null>(null);
  const [results, setResults] = useState<{ fileName: string; result: HistoryResult | string }[]>([]);
  const { data: state } = useQuery(
    trpc.account.imports.queryOptions(undefined, { initialData: initialState }),
  );

  const send = async () => {
    setResults([]);
    for (const file of files) {
      setShare({ fileName: file.name, sent: 0 });
      const result = await sendHistory(file, (sent) => setShare({ fileName: file.name, sent })).catch(
        errorText,
      );
      setResults((now) => [...now, { fileName: file.name, result }]);
    }
    setShare(null);
    await queries.invalidateQueries({ queryKey: trpc.account.imports.queryKey() });
    await queries.invalidateQueries({ queryKey: trpc.conversations.pathKey() });
  };

  return (
    <Section
      title="Conversations from elsewhere"
      text="From ChatGPT (conversations.json of its export), open-webui or LibreChat (JSON exports), up to 1 GB a file. They become yours here, with all branches."
    >
      <div className="max-w-[38rem] space-y-3">
        <label className="block space-y-1">
          <span className="block font-medium">Files</span>
          <input
            type="file"
            multiple
            accept=".json,application/json"
            className={inputClass}
            onChange={({ target }) => setFiles([...(target.files ?? [])])}
          />
        </label>
        {share ? (
          <div className="space-y-1">
            <progress aria-label="Import" max={1} value={share.sent} className="block h-1.5 w-full" />
            <p role="status" className="text-small text-muted tabular">
              {share.fileName}: {Math.round(share.sent * 100)} % sent
            </p>
          </div>
        ) : (
          <Button disabled={files.length === 0} onClick={() => void send()}>
            Bring them here
          </Button>
        )}
        {results.map(({ fileName, result }) => (
          <Result key={fileName} fileName={fileName} result={result} />
        ))}
        {state.conversations > 0 && <ImportsConsent state={state} />}
      </div>
    </Section>
  );
}

/** Asked apart: the account's answer was given for conversations held here. */
function ImportsConsent({ state }: { state: ImportsState }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const answering = useMutation(
    trpc.account.answerImports.mutationOptions({
      onSuccess: (after) => queries.setQueryData(trpc.account.imports.queryKey(), after),
      onError: (error) => toast({ text: errorText(error), isError: true }),
    }),
  );
  const { conversations, usable } = state;
  return (
    <Switch
      label="Imported conversations may be used to improve the assistant"
      hint={`${plural(conversations, "conversation", "conversations")} from elsewhere, ${usable.toLocaleString("en")} of them may be used. Your answer above does not hold for them: they are left out until you say so here or in a conversation's own settings.`}
      checked={usable > 0}
      disabled={answering.isPending}
      onChange={(granted) => answering.mutate({ granted })}
    />
  );
}

function Result({ fileName, result }: { fileName: string; result: HistoryResult | string }) {
  if (typeof result === "string") {
    return (
      <Notice tone="error">
        {fileName}: {result}
      </Notice>
    );
  }
  const { conversations, messages, alreadyHere, outdated, unfit, faults } = result;
  return (
    <Notice tone={unfit > 0 ? "warning" : "info"}>
      <p>
        {fileName}: {plural(conversations, "conversation", "conversations")} with{" "}
        {plural(messages, "message", "messages")} came in
        {alreadyHere > 0 && `, ${alreadyHere.toLocaleString("en")} were here already`}
        {outdated > 0 && `, ${outdated.toLocaleString("en")} are older than this server keeps conversations`}.
      </p>
      {unfit > 0 && (
        <ul className="mt-1 max-h-40 list-disc overflow-y-auto pl-5">
          {faults.map(({ line, reason }) => (
            <li key={line}>
              conversation {line.toLocaleString("en")} {reason}
            </li>
          ))}
          {faults.length < unfit && <li>and {(unfit - faults.length).toLocaleString("en")} more</li>}
        </ul>
      )}
    </Notice>
  );
}
