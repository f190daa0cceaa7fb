/** @file What was sent to one webhook, and what came back. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { Delivery } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { kindNames } from "./kind-names";

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
  const columns: Column<Delivery>[] = [
    { title: "When", cell: ({ createdAt }) => <Moment at={createdAt} /> },
    { title: "What", cell: ({ event }) => nameOf(event) },
    { title: "State", cell: describeState },
    { title: "Tries", isNumber: true, cell: ({ attempts }) => attempts },
    {
      title: "Again",
      isTitleHidden: true,
      cell: ({ id, status }) =>
        status === "failed" && (
          <Button small busy={retrying.isPending} onClick={() => retrying.mutate({ deliveryId: id })}>
            Try again
          </Button>
        ),
    },
  ];
  return (
    <>
      {retrying.error && <Notice tone="error">{errorText(retrying.error)}</Notice>}
      <DataTable caption="Deliveries" columns={columns} rows={data} rowKey={({ id }) => id} />
    </>
  );
}

function describeState({ status, httpStatus, error, dueAt }: Delivery) {
  if (status === "delivered") return `taken${httpStatus ? ` (${httpStatus})` : ""}`;
  if (status === "failed") return `given up: ${error ?? "no answer"}`;
  return (
    <>
      {error ?? "It waits."} Next try: <Moment at={dueAt} />
    </>
  );
}

function nameOf(event: string): string {
  return Object.entries(kindNames).find(([kind]) => kind === event)?.[1] ?? event;
}
