/** @file Freezes promotions with a reason, or lifts that. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { useTRPC } from "@/app/_lib/trpc";
import { ReasonDialog } from "./reason-dialog";
import { useDecision } from "./use-decision";

export function FreezeButton({ isFrozen }: { isFrozen: boolean }) {
  const trpc = useTRPC();
  const { refresh, unfreeze, isBusy } = useDecision();
  const [isAsking, setIsAsking] = useState(false);
  const freezing = useMutation(
    trpc.promotion.freeze.mutationOptions({ onSuccess: () => setIsAsking(false), onSettled: refresh }),
  );
  if (isFrozen) {
    return (
      <Button busy={isBusy} onClick={unfreeze}>
        Lift the freeze
      </Button>
    );
  }
  return (
    <>
      <Button onClick={() => setIsAsking(true)}>Freeze</Button>
      {isAsking && (
        <ReasonDialog
          title="Freeze promotions"
          description="Nothing new goes live and no canary grows until it is lifted. Rolling back stays possible."
          act="Freeze"
          error={freezing.error}
          isBusy={freezing.isPending}
          onSubmit={(reason) => freezing.mutate({ reason })}
          onClose={() => setIsAsking(false)}
        />
      )}
    </>
  );
}
