/** @file Cancelling cannot be undone: says what is lost and what stays, and asks for the run's name. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import type { RunDetail } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";
import type { Steer } from "./use-steer";

type CancelDialogProps = { run: RunDetail; steer: Steer; onClose: () => void };

export function CancelDialog({ run, steer, onClose }: CancelDialogProps) {
  const [typed, setTyped] = useState("");
  const kept = run.checkpoints.filter(({ deletedAt }) => deletedAt === null);
  const newest = Math.max(0, ...kept.map(({ step }) => step));
  const lost = Math.max(0, run.step - newest);
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Cancel run ${run.number}?`}
      description="A cancelled run cannot be gone on with. To stop it for now, pause it."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          steer.cancel();
          onClose();
        }}
      >
        <ul className="list-disc space-y-1 pl-5">
          <li>Lost: {plural(lost, "step", "steps")} that no checkpoint holds.</li>
          <li>Kept: {plural(kept.length, "checkpoint", "checkpoints")}, its curves, samples and log.</li>
        </ul>
        <TextField
          label={`To go on, type its name: ${run.name}`}
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <div className="flex flex-wrap gap-2">
          <Button type="submit" look="danger" disabled={typed.trim() !== run.name}>
            Cancel the run
          </Button>
          {steer.canPause && (
            <Button
              onClick={() => {
                steer.pause();
                onClose();
              }}
            >
              Pause instead
            </Button>
          )}
        </div>
      </form>
    </Dialog>
  );
}
