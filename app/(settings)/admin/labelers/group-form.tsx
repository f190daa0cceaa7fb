/** @file Adds a group of labelers. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

export function GroupForm() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [isHeldOut, setIsHeldOut] = useState(false);
  const making = useMutation(
    trpc.labelers.createGroup.mutationOptions({
      onSuccess: async () => {
        setName("");
        await queries.invalidateQueries({ queryKey: trpc.labelers.groups.queryKey() });
      },
    }),
  );
  return (
    <form
      className="max-w-sm space-y-3"
      onSubmit={(event) => {
        event.preventDefault();
        making.mutate({ name, isHeldOut });
      }}
    >
      <TextField
        label="New group"
        required
        maxLength={100}
        value={name}
        onChange={({ target }) => setName(target.value)}
      />
      <Switch
        label="Held out"
        hint="This cannot be changed later."
        checked={isHeldOut}
        onChange={setIsHeldOut}
      />
      {making.error && <Notice tone="error">{errorText(making.error)}</Notice>}
      <Button type="submit" busy={making.isPending}>
        Add the group
      </Button>
    </form>
  );
}
