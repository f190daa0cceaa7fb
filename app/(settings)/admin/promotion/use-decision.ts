/** @file The acts on a request, each followed by fresh figures; what the server refuses is told as it says it. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useToast } from "@/app/_components/toast";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

export function useDecision() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.promotion.pathKey() });
  const options = {
    onSettled: refresh,
    onError: (error: unknown) => toast({ text: errorText(error), isError: true }),
  };
  const approving = useMutation(trpc.promotion.approve.mutationOptions(options));
  const carryingOut = useMutation(
    trpc.promotion.carryOut.mutationOptions({ ...options, onSuccess: () => toast({ text: "It is done." }) }),
  );
  const withdrawing = useMutation(trpc.promotion.withdraw.mutationOptions(options));
  const unfreezing = useMutation(trpc.promotion.unfreeze.mutationOptions(options));
  return {
    approve: (requestId: string) => approving.mutate({ requestId }),
    carryOut: (requestId: string) => carryingOut.mutate({ requestId }),
    withdraw: (requestId: string) => withdrawing.mutate({ requestId }),
    unfreeze: () => unfreezing.mutate(),
    isBusy: [approving, carryingOut, withdrawing, unfreezing].some(({ isPending }) => isPending),
    refresh,
  };
}
