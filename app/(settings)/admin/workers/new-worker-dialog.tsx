/** @file Lets a machine in: a token shown once, inside the command to run there. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { ShownOnce } from "@/app/_components/shown-once";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

export function NewWorkerDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const creating = useMutation(
    trpc.workers.create.mutationOptions({
      onSuccess: () => queries.invalidateQueries({ queryKey: trpc.workers.list.pathKey() }),
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Add a worker"
      description="It may take any run it can train, read that run's data and base, and report on it. Nothing else."
      wide
    >
      {creating.data ? (
        <ShownOnce
          label="Run this on the machine, in a folder with Attune"
          secret={`npx attune worker --url ${location.origin} --token ${creating.data.token}`}
          note="Whoever has the token can read what runs learn from; revoke it here when it leaks."
          onDone={onClose}
        />
      ) : (
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            creating.mutate({ name });
          }}
        >
          <TextField
            label="Name"
            hint="What you call the machine."
            required
            maxLength={100}
            value={name}
            onChange={({ target }) => setName(target.value)}
          />
          {creating.error && <Notice tone="error">{errorText(creating.error)}</Notice>}
          <Button type="submit" look="primary" busy={creating.isPending}>
            Make a token
          </Button>
        </form>
      )}
    </Dialog>
  );
}
