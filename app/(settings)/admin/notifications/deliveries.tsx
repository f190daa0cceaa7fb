/** @file What was sent to one webhook, and what came back. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { DeliveryTable } from "./delivery-table";

export function Deliveries({ webhookId }: { webhookId: string }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const { data, error } = useQuery(
    trpc.notifications.deliveries.queryOptions({ webhookId }, { refetchInterval: 10_000 }),
  );
  const retrying = useMutation(
    trpc.notifications.retryDelivery.mutationOptions({
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.notifications.pathKey() }),
    }),
  );
  if (error) return <Notice tone="error">{errorText(error)}</Notice>;
  if (!data) return <Pulse>Reading…</Pulse>;
  if (data.length === 0) return <p className="text-small text-muted">Nothing was sent yet.</p>;
  return (
    <>
      {retrying.error && <Notice tone="error">{errorText(retrying.error)}</Notice>}
      <DeliveryTable
        caption="Deliveries"
        rows={data}
        isRetrying={retrying.isPending}
        onRetry={(deliveryId) => retrying.mutate({ deliveryId })}
      />
    </>
  );
}
