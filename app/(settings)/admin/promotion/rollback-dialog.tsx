/** @file Back to a policy that was live: one click, the reason may follow. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { PromotionState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useDecision } from "./use-decision";

type RollbackDialogProps = { formerlyLive: PromotionState["formerlyLive"]; onClose: () => void };

export function RollbackDialog({ formerlyLive, onClose }: RollbackDialogProps) {
  const trpc = useTRPC();
  const toast = useToast();
  const { refresh } = useDecision();
  const [reason, setReason] = useState("");
  /** Not the one that the server has just taken back. */
  const suggested = formerlyLive.find(({ isTakenBack }) => !isTakenBack)?.id;
  const going = useMutation(
    trpc.promotion.rollBack.mutationOptions({
      onSuccess: () => {
        toast({ text: "The policy of before is live again." });
        onClose();
      },
      onSettled: refresh,
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Roll back"
      description="No gate and no second person are asked for. Answers in the making are finished by the policy that began them."
    >
      <div className="space-y-4">
        <TextField
          label="Reason"
          hint="What went wrong? A few words help whoever reads the history; they may follow there."
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        {going.error && <Notice tone="error">{errorText(going.error)}</Notice>}
        <ul className="divide-y divide-line border-y border-line">
          {formerlyLive.map(({ id, name, lastLiveAt, isTakenBack }) => (
            <li key={id} className="flex flex-wrap items-center justify-between gap-3 py-2">
              <span>
                <span className="font-medium">{name}</span>{" "}
                <span className="text-small text-muted">
                  {id.slice(0, 8)}, live from <Moment at={lastLiveAt} />
                  {isTakenBack && ", taken back by itself"}
                </span>
              </span>
              <Button
                small
                look={id === suggested ? "primary" : "plain"}
                aria-label={`Make live again: ${name}, ${id.slice(0, 8)}`}
                busy={going.isPending && going.variables.checkpointId === id}
                disabled={going.isPending}
                onClick={() => going.mutate({ checkpointId: id, reason })}
              >
                Make live again
              </Button>
            </li>
          ))}
        </ul>
      </div>
    </Dialog>
  );
}
