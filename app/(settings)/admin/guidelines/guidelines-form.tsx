/** @file Writes a new version of the guidelines from the one shown. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextArea, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { Guidelines } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

type GuidelinesFormProps = { current: Guidelines; basedOn: number; onDone: () => void };

export function GuidelinesForm({ current, basedOn, onDone }: GuidelinesFormProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [text, setText] = useState(current.text);
  const [changes, setChanges] = useState("");
  const adding = useMutation(
    trpc.guidelines.add.mutationOptions({
      onSuccess: async ({ version }) => {
        await queries.invalidateQueries({ queryKey: trpc.guidelines.pathKey() });
        toast({ text: `Version ${version} is current.` });
        onDone();
      },
    }),
  );
  return (
    <form
      className="mt-5 max-w-3xl space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        adding.mutate({ text, changes, basedOn });
      }}
    >
      <TextArea
        label="Text"
        hint="Markdown. Labelers see it as you write it."
        rows={24}
        required
        className="font-mono text-small"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      <TextField
        label="What changed"
        hint="One or two sentences for labelers who know the version before."
        required
        maxLength={5_000}
        value={changes}
        onChange={({ target }) => setChanges(target.value)}
      />
      {adding.error && <Notice tone="error">{errorText(adding.error)}</Notice>}
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={adding.isPending} disabled={text === current.text}>
          Make it version {basedOn + 1}
        </Button>
        <Button onClick={onDone}>Cancel</Button>
      </div>
    </form>
  );
}
