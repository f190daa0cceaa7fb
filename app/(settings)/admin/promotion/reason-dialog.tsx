/** @file Asks for one reason and does one thing with it. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { errorText } from "@/app/_lib/error-text";

type ReasonDialogProps = {
  title: string;
  description: string;
  /** Of the field; a reason unless said otherwise. */
  label?: string;
  act: string;
  error: unknown;
  isBusy: boolean;
  onSubmit: (reason: string) => void;
  onClose: () => void;
};

export function ReasonDialog({
  title,
  description,
  label = "Reason",
  act,
  error,
  isBusy,
  onSubmit,
  onClose,
}: ReasonDialogProps) {
  const [reason, setReason] = useState("");
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title={title} description={description}>
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit(reason);
        }}
      >
        <TextField
          label={label}
          hint="Kept for good in the history."
          required
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        {error !== null && <Notice tone="error">{errorText(error)}</Notice>}
        <Button type="submit" look="primary" busy={isBusy}>
          {act}
        </Button>
      </form>
    </Dialog>
  );
}
