/** @file Pins a conversation that is read behind a figure as a regression case; offered to those who may. */
"use client";

import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import type { NewCase } from "@/app/_lib/api-types";
import { useMay } from "@/app/_lib/viewer-context";
import { PinForm } from "./pin-form";

type PinButtonProps = { origin: NewCase["origin"]; reference?: string };

export function PinButton({ origin, reference = "" }: PinButtonProps) {
  const mayPin = useMay("models.manage");
  const [isOpen, setIsOpen] = useState(false);
  const [pinned, setPinned] = useState<{ caseId: string; number: number } | null>(null);
  if (!mayPin) return null;
  if (pinned)
    return (
      <p className="text-small text-muted" role="status">
        Pinned as{" "}
        <Link
          href={`/admin/cases/${pinned.caseId}`}
          className="text-fg underline underline-offset-2 hover:no-underline"
        >
          case {pinned.number}
        </Link>
        .
      </p>
    );
  return (
    <>
      <Button small onClick={() => setIsOpen(true)}>
        Pin as a case
      </Button>
      <Dialog
        open={isOpen}
        onOpenChange={setIsOpen}
        title="Pin as a regression case"
        description="Every candidate answers this conversation again before it may go live."
        wide
      >
        <PinForm
          origin={origin}
          reference={reference}
          onPinned={(made) => {
            setIsOpen(false);
            setPinned(made);
          }}
        />
      </Dialog>
    </>
  );
}
