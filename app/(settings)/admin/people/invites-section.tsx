/** @file Invitations that are still open. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { useToast } from "@/app/_components/toast";
import type { Invite } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { roleNames } from "./role-names";

export function InvitesSection({ initialInvites }: { initialInvites: Invite[] }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const invites = useQuery(trpc.people.invites.queryOptions(undefined, { initialData: initialInvites })).data;
  const revoking = useMutation(
    trpc.people.revokeInvite.mutationOptions({
      onSuccess: async () => {
        toast({ text: "Invitation withdrawn: its link does not work any more." });
        await queries.invalidateQueries({ queryKey: trpc.people.invites.queryKey() });
      },
      onError: (error) => toast({ text: errorText(error), isError: true }),
    }),
  );
  if (invites.length === 0) return null;

  const columns: Column<Invite>[] = [
    { title: "For", cell: ({ email }) => email ?? "whoever holds the link" },
    { title: "Role", cell: ({ role }) => roleNames[role] },
    { title: "By", cell: ({ invitedBy }) => invitedBy ?? "somebody whose account is gone" },
    { title: "Works until", cell: ({ expiresAt }) => <Moment at={expiresAt} /> },
    {
      title: "Action",
      isTitleHidden: true,
      cell: ({ id }) => (
        <Button small busy={revoking.isPending} onClick={() => revoking.mutate({ inviteId: id })}>
          Withdraw
        </Button>
      ),
    },
  ];
  return (
    <Section title="Open invitations">
      <DataTable caption="Open invitations" columns={columns} rows={invites} rowKey={({ id }) => id} />
    </Section>
  );
}
