/** @file Points the live channel at a checkpoint, with the reason the audit log keeps. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

type MakeLiveDialogProps = { checkpoint: { id: string; name: string }; onClose: () => void };

export function MakeLiveDialog({ checkpoint, onClose }: MakeLiveDialogProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [reason, setReason] = useState("");
  const pointing = useMutation(
    trpc.models.pointChannel.mutationOptions({
      onSuccess: async () => {
        await queries.invalidateQueries({ queryKey: trpc.models.pathKey() });
        toast({ text: `${checkpoint.name} is live.` });
        onClose();
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Make ${checkpoint.name} live`}
      description="It is loaded beside the one that is live now, then takes over. Answers in the making are finished by the old one."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          pointing.mutate({ channel: "live", checkpointId: checkpoint.id, reason });
        }}
      >
        <TextField
          label="Reason"
          hint="Kept in the audit log."
          required
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        {pointing.error && <Notice tone="error">{errorText(pointing.error)}</Notice>}
        <Button type="submit" look="primary" busy={pointing.isPending}>
          {pointing.isPending ? "Loading it…" : "Make live"}
        </Button>
      </form>
    </Dialog>
  );
}
