/** @file Where one is signed in, and the way to end it. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { useToast } from "@/app/_components/toast";
import type { OwnSession } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../_frame/section";
import { describeDevice } from "./describe-device";

export function SessionsSection({ initialSessions }: { initialSessions: OwnSession[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const sessions = useQuery(
    trpc.account.sessions.queryOptions(undefined, { initialData: initialSessions }),
  ).data;
  const options = {
    onSuccess: () => queries.invalidateQueries({ queryKey: trpc.account.sessions.queryKey() }),
    onError: (error: unknown) => toast({ text: errorText(error), isError: true }),
  };
  const ending = useMutation(trpc.account.revokeSession.mutationOptions(options));
  const endingOthers = useMutation(trpc.account.revokeOtherSessions.mutationOptions(options));

  const columns: Column<OwnSession>[] = [
    {
      title: "Device",
      cell: ({ userAgent, isCurrent }) => (
        <>
          {describeDevice(userAgent)}
          {isCurrent && <span className="text-muted"> (this one)</span>}
        </>
      ),
    },
    { title: "Address", cell: ({ ipAddress }) => ipAddress || "not known" },
    { title: "Last seen", cell: ({ lastSeenAt }) => <Moment at={lastSeenAt} /> },
    {
      title: "Action",
      isTitleHidden: true,
      cell: ({ id, isCurrent }) =>
        !isCurrent && (
          <Button small busy={ending.isPending} onClick={() => ending.mutate({ sessionId: id })}>
            Sign out
          </Button>
        ),
    },
  ];

  return (
    <Section title="Sessions" text="Where you are signed in.">
      <DataTable caption="Sessions" columns={columns} rows={sessions} rowKey={({ id }) => id} />
      {sessions.length > 1 && (
        <Button className="mt-3" busy={endingOthers.isPending} onClick={() => endingOthers.mutate()}>
          Sign out everywhere else
        </Button>
      )}
    </Section>
  );
}
