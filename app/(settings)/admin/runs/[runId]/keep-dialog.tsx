/** @file Keeps a checkpoint whatever retention says, or leaves it to retention again. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { RunCheckpoint } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

export function KeepDialog({ checkpoint, onClose }: { checkpoint: RunCheckpoint; onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [reason, setReason] = useState("");
  const isKept = checkpoint.keepReason !== null;
  const keeping = useMutation(
    trpc.runs.keepCheckpoint.mutationOptions({
      onSuccess: async () => {
        await queries.invalidateQueries({ queryKey: trpc.runs.get.pathKey() });
        toast({ text: isKept ? "Retention decides about it again." : "It is kept." });
        onClose();
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={isKept ? "Leave it to retention" : "Keep this checkpoint"}
      description={
        isKept
          ? `It is kept: ${checkpoint.keepReason}. Left to retention, its files may be deleted when space is short.`
          : "Its files stay until somebody leaves it to retention again."
      }
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          keeping.mutate({ checkpointId: checkpoint.id, reason: isKept ? null : reason });
        }}
      >
        {!isKept && (
          <TextField
            label="Why"
            required
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
          />
        )}
        {keeping.error && <Notice tone="error">{errorText(keeping.error)}</Notice>}
        <Button type="submit" look="primary" busy={keeping.isPending}>
          {isKept ? "Leave it to retention" : "Keep it"}
        </Button>
      </form>
    </Dialog>
  );
}
