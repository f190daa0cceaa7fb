/** @file Asks all who are qualified to sit the test again. It stops their work, so it names the reason to each. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

export function AskAllForm() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [reason, setReason] = useState("");
  const asking = useMutation(
    trpc.qualification.askAllAgain.mutationOptions({
      onSuccess: async ({ asked }) => {
        toast({ text: `${plural(asked, "labeler is", "labelers are")} asked to sit the test again.` });
        setReason("");
        await queries.invalidateQueries({ queryKey: trpc.qualification.pathKey() });
      },
    }),
  );
  return (
    <form
      className="max-w-[38rem] space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        asking.mutate({ reason });
      }}
    >
      <TextField
        label="Reason"
        hint="Every labeler reads it."
        required
        maxLength={500}
        value={reason}
        onChange={({ target }) => setReason(target.value)}
      />
      {asking.error && <Notice tone="error">{errorText(asking.error)}</Notice>}
      <Button type="submit" look="danger" busy={asking.isPending}>
        Ask all to sit it again
      </Button>
    </form>
  );
}
