/** @file The machines that train: what each does, what it runs on, and letting another one in. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { DataTable } from "@/app/_components/data-table";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { Worker } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { NewWorkerDialog } from "./new-worker-dialog";
import { workerColumns } from "./worker-columns";

export function WorkersView({ initialWorkers }: { initialWorkers: Worker[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [isAdding, setIsAdding] = useState(false);
  const [showsRevoked, setShowsRevoked] = useState(false);
  const { data, error } = useQuery(
    trpc.workers.list.queryOptions(undefined, { initialData: initialWorkers, refetchInterval: 5_000 }),
  );
  const revoking = useMutation(
    trpc.workers.revoke.mutationOptions({
      onSuccess: () =>
        toast({ text: "Its token is of no use any more. What it trained goes back to the queue." }),
      onError: (failure) => toast({ text: errorText(failure), isError: true }),
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.workers.list.pathKey() }),
    }),
  );
  const revoked = data.filter(({ state }) => state === "revoked").length;
  const shown = data.filter(({ state }) => showsRevoked || state !== "revoked");
  return (
    <>
      <PageTitle
        aside={
          <Button look="primary" onClick={() => setIsAdding(true)}>
            Add a worker
          </Button>
        }
      >
        Workers
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        A worker takes queued runs, trains them, and reports. This server can bring its own; other machines
        join with a token.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {shown.length === 0 ? (
          <p className="text-muted">
            No machine trains yet: runs wait in the queue. Add a worker to let one in.
          </p>
        ) : (
          <DataTable
            caption="Workers"
            columns={workerColumns({
              isBusy: revoking.isPending,
              onRevoke: (workerId) => revoking.mutate({ workerId }),
            })}
            rows={shown}
            rowKey={({ id }) => id}
          />
        )}
        {revoked > 0 && (
          <div className="max-w-64">
            <Switch label={`Show ${revoked} revoked`} checked={showsRevoked} onChange={setShowsRevoked} />
          </div>
        )}
      </div>
      {isAdding && <NewWorkerDialog onClose={() => setIsAdding(false)} />}
      <PageKeys keys={[{ key: "n", does: "Add a worker", act: () => setIsAdding(true) }]} />
    </>
  );
}
