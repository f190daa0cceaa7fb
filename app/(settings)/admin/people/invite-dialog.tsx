/** @file Makes a one-time link that lets one person in. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { ShownOnce } from "@/app/_components/shown-once";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { type Role, roleNames, roleTexts } from "./role-names";

const roles = ["user", "labeler", "admin"] as const;

export function InviteDialog({ onClose }: { onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("user");
  const inviting = useMutation(
    trpc.people.invite.mutationOptions({
      onSuccess: () => queries.invalidateQueries({ queryKey: trpc.people.invites.queryKey() }),
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Invite someone"
      description="You get a link to hand over. It makes one account and works for 7 days."
    >
      {inviting.data ? (
        <ShownOnce
          label="Invitation link"
          secret={location.origin + inviting.data.path}
          note="Whoever holds it can use it."
          onDone={onClose}
        />
      ) : (
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            inviting.mutate({ email: email.trim() || null, role });
          }}
        >
          <TextField
            label="Email (optional)"
            type="email"
            hint="With an address, only that address can make the account. No mail is sent."
            maxLength={200}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
          <SelectField
            label="Role"
            hint={roleTexts[role]}
            value={role}
            onChange={(event) => setRole(roles.find((name) => name === event.target.value) ?? "user")}
          >
            {roles.map((name) => (
              <option key={name} value={name}>
                {roleNames[name]}
              </option>
            ))}
          </SelectField>
          {inviting.error && <Notice tone="error">{errorText(inviting.error)}</Notice>}
          <Button type="submit" look="primary" busy={inviting.isPending}>
            Make the link
          </Button>
        </form>
      )}
    </Dialog>
  );
}
