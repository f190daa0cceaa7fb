/** @file What was sent, by request or by mail: what came back, and what was given up to be tried again. */
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import type { Delivery, MailDelivery } from "@/app/_lib/api-types";
import { kindNames } from "./kind-names";

type AnyDelivery = MailDelivery & Partial<Pick<Delivery, "httpStatus">>;
type DeliveryTableProps = {
  caption: string;
  rows: readonly AnyDelivery[];
  isRetrying: boolean;
  onRetry: (deliveryId: string) => void;
};

export function DeliveryTable({ caption, rows, isRetrying, onRetry }: DeliveryTableProps) {
  const columns: Column<AnyDelivery>[] = [
    { title: "When", cell: ({ createdAt }) => <Moment at={createdAt} /> },
    { title: "What", cell: ({ event }) => nameOf(event) },
    { title: "State", cell: describeState },
    { title: "Tries", isNumber: true, cell: ({ attempts }) => attempts },
    {
      title: "Again",
      isTitleHidden: true,
      cell: ({ id, status }) =>
        status === "failed" && (
          <Button small busy={isRetrying} onClick={() => onRetry(id)}>
            Try again
          </Button>
        ),
    },
  ];
  return <DataTable caption={caption} columns={columns} rows={rows} rowKey={({ id }) => id} />;
}

function describeState({ status, httpStatus, error, dueAt }: AnyDelivery) {
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
