/** @file Deleting a dataset cannot be undone: says what is lost, what stays, and asks for its name. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { Dataset } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

export function DeleteDialog({ dataset, onClose }: { dataset: Dataset; onClose: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const router = useRouter();
  const toast = useToast();
  const [typed, setTyped] = useState("");
  const { id: datasetId, name, rowCount, erasedRows, runs } = dataset;
  const deleting = useMutation(
    trpc.datasets.delete.mutationOptions({
      onSuccess: async () => {
        await queries.invalidateQueries({ queryKey: trpc.datasets.list.pathKey() });
        toast({ text: `The rows of “${name}” are erased.` });
        router.push("/admin/datasets");
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Delete “${name}”?`}
      description="This cannot be undone."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          deleting.mutate({ datasetId });
        }}
      >
        <ul className="list-disc space-y-1 pl-5">
          <li>
            Lost: {plural(rowCount - erasedRows, "row", "rows")}, and the samples that runs made of them.
          </li>
          <li>Kept: the hashes of its rows, and the checkpoints trained on it.</li>
          {runs.length > 0 && (
            <li>
              {plural(runs.length, "run", "runs")} that learned from it can then neither be made again nor
              cloned over it.
            </li>
          )}
        </ul>
        <TextField
          label={`To go on, type its name: ${name}`}
          autoComplete="off"
          value={typed}
          onChange={({ target }) => setTyped(target.value)}
        />
        {deleting.error && <Notice tone="error">{errorText(deleting.error)}</Notice>}
        <Button type="submit" look="danger" busy={deleting.isPending} disabled={typed.trim() !== name}>
          Erase all rows
        </Button>
      </form>
    </Dialog>
  );
}
