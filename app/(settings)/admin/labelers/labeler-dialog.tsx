/** @file What a lead changes about one labeler: the group, and whether the work counts. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type { LabelerGroup, LabelerRow } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

type LabelerDialogProps = { labeler: LabelerRow; groups: LabelerGroup[]; onClose: () => void };

export function LabelerDialog({ labeler, groups, onClose }: LabelerDialogProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [reason, setReason] = useState("");
  const onSettled = () => queries.invalidateQueries({ queryKey: trpc.labelers.pathKey() });
  const moving = useMutation(trpc.labelers.move.mutationOptions({ onSettled }));
  const settingAside = useMutation(trpc.labelers.setAside.mutationOptions({ onSettled }));
  const restoring = useMutation(trpc.labelers.restore.mutationOptions({ onSettled }));
  const error = moving.error ?? settingAside.error ?? restoring.error;
  const userId = labeler.id;
  return (
    <Dialog open onOpenChange={(isOpen) => !isOpen && onClose()} title={labeler.name}>
      <div className="space-y-6">
        <SelectField
          label="Group"
          hint="Rankings keep the group they were made in."
          disabled={moving.isPending}
          value={labeler.group?.id ?? ""}
          onChange={({ target }) => moving.mutate({ userId, groupId: target.value || null })}
        >
          <option value="">none</option>
          {groups.map(({ id, name, isHeldOut }) => (
            <option key={id} value={id}>
              {name}
              {isHeldOut ? " (held out)" : ""}
            </option>
          ))}
        </SelectField>
        {labeler.pseudonym && <AskAgain labeler={labeler} />}
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {labeler.setAside ? (
          <Button busy={restoring.isPending} onClick={() => restoring.mutate({ userId })}>
            Count the work again
          </Button>
        ) : (
          <form
            className="space-y-3"
            onSubmit={(event) => {
              event.preventDefault();
              settingAside.mutate({ userId, reason });
            }}
          >
            <TextField
              label="Reason"
              hint="The labeler reads it."
              required
              maxLength={500}
              value={reason}
              onChange={({ target }) => setReason(target.value)}
            />
            <Button type="submit" look="danger" busy={settingAside.isPending}>
              Set the work aside
            </Button>
          </form>
        )}
      </div>
    </Dialog>
  );
}

function AskAgain({ labeler }: { labeler: LabelerRow }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [reason, setReason] = useState("");
  const asking = useMutation(
    trpc.qualification.askAgain.mutationOptions({
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.labelers.pathKey() }),
    }),
  );
  if (labeler.requalify) {
    return <Notice>Asked to sit the qualification again: {labeler.requalify.reason}</Notice>;
  }
  return (
    <form
      className="space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        asking.mutate({ userId: labeler.id, reason });
      }}
    >
      <TextField
        label="Why the qualification again"
        hint="The labeler reads it, and is given no work until it is passed."
        required
        maxLength={500}
        value={reason}
        onChange={({ target }) => setReason(target.value)}
      />
      {asking.error && <Notice tone="error">{errorText(asking.error)}</Notice>}
      <Button type="submit" busy={asking.isPending}>
        Ask to sit it again
      </Button>
    </form>
  );
}
