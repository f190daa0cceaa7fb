/** @file What an admin can change about one person. Each change of rights signs them out, and says so before. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { ShownOnce } from "@/app/_components/shown-once";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { Person } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { type Grant, grantNames, grantTexts, type Role, roleNames, roleTexts } from "./role-names";

const roles = ["user", "labeler", "admin"] as const;
const allGrants = ["labelingLead", "auditor"] as const;

export function PersonDialog({ person, onClose }: { person: Person; onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [role, setRole] = useState<Role>(person.role);
  const [grants, setGrants] = useState<Grant[]>(person.grants);
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.people.list.pathKey() });
  const changingRole = useMutation(trpc.people.changeRole.mutationOptions());
  const changingGrants = useMutation(trpc.people.changeGrants.mutationOptions());
  const disabling = useMutation(trpc.people.disable.mutationOptions());
  const enabling = useMutation(trpc.people.enable.mutationOptions());
  const resetting = useMutation(trpc.people.issueResetLink.mutationOptions());
  const userId = person.id;
  const all = [changingRole, changingGrants, disabling, enabling, resetting];
  const error = all.find((mutation) => mutation.error)?.error;
  const isBusy = all.some(({ isPending }) => isPending);
  const areGrantsChanged = [...grants].sort().join() !== [...person.grants].sort().join();

  const perform = async (said: string, ...acts: (() => Promise<unknown>)[]) => {
    for (const mutation of all) mutation.reset();
    try {
      for (const act of acts) await act();
    } catch {
      return; // said in the dialog
    } finally {
      await refresh();
    }
    toast({ text: said });
    onClose();
  };

  const saveRights = () =>
    perform(
      `${person.name}: rights changed.`,
      ...(role === person.role ? [] : [() => changingRole.mutateAsync({ userId, role })]),
      ...(areGrantsChanged ? [() => changingGrants.mutateAsync({ userId, grants })] : []),
    );

  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title={person.name} description={person.email}>
      <div className="space-y-6">
        <form
          className="space-y-4"
          onSubmit={(event) => {
            event.preventDefault();
            void saveRights();
          }}
        >
          <SelectField
            label="Role"
            hint={roleTexts[role]}
            value={role}
            onChange={(event) => setRole(roles.find((name) => name === event.target.value) ?? person.role)}
          >
            {roles.map((name) => (
              <option key={name} value={name}>
                {roleNames[name]}
              </option>
            ))}
          </SelectField>
          {allGrants.map((grant) => (
            <Switch
              key={grant}
              label={grantNames[grant]}
              hint={grantTexts[grant]}
              checked={grants.includes(grant)}
              onChange={(checked) =>
                setGrants(checked ? [...grants, grant] : grants.filter((other) => other !== grant))
              }
            />
          ))}
          <p className="text-small text-muted">A change of rights signs the person out everywhere.</p>
          <Button
            type="submit"
            look="primary"
            busy={isBusy}
            disabled={role === person.role && !areGrantsChanged}
          >
            Save rights
          </Button>
        </form>
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {resetting.data ? (
          <ShownOnce
            label="Link to set a new password"
            secret={location.origin + resetting.data.path}
            note="It works once, for 24 hours."
            onDone={onClose}
          />
        ) : (
          <div className="flex flex-wrap gap-2">
            <Button busy={isBusy} onClick={() => resetting.mutate({ userId })}>
              Make a reset link
            </Button>
            {person.isDisabled ? (
              <Button
                busy={isBusy}
                onClick={() =>
                  void perform(`${person.name} can sign in again.`, () => enabling.mutateAsync({ userId }))
                }
              >
                Enable the account
              </Button>
            ) : (
              <Button
                look="danger"
                busy={isBusy}
                onClick={() =>
                  void perform(`${person.name} is signed out and cannot sign in.`, () =>
                    disabling.mutateAsync({ userId }),
                  )
                }
              >
                Disable the account
              </Button>
            )}
          </div>
        )}
      </div>
    </Dialog>
  );
}
