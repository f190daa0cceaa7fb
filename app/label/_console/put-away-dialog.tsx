/** @file Putting a task away: skipped, not rankable for anybody, or reported. Each with its reason. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { KeyHint } from "./key-hint";

export type PutAwayKind = "skip" | "cannotBeRanked" | "report";
type Reason = { kind: PutAwayKind; text: string };

const reasons: Record<"skip" | "report", Reason[]> = {
  skip: [
    { kind: "skip", text: "Not my field" },
    { kind: "skip", text: "A language I do not read" },
    { kind: "skip", text: "Too much to read right now" },
    { kind: "cannotBeRanked", text: "The prompt is unclear" },
    { kind: "cannotBeRanked", text: "The responses cannot be told apart" },
  ],
  report: [
    { kind: "report", text: "Harmful content" },
    { kind: "report", text: "Names a real person, or holds personal data" },
    { kind: "report", text: "Illegal content" },
  ],
};
const texts = {
  skip: {
    title: "Skip this task",
    description:
      "It does not come back to you. “Cannot be ranked” takes it from everybody once others agree.",
  },
  report: {
    title: "Report this task",
    description: "The prompt is pulled from every queue at once; your labeling lead looks at it.",
  },
};

type PutAwayDialogProps = {
  dialog: "skip" | "report";
  error: string | null;
  isBusy: boolean;
  onPutAway: (kind: PutAwayKind, reason: string) => void;
  onClose: () => void;
};

export function PutAwayDialog({ dialog, error, isBusy, onPutAway, onClose }: PutAwayDialogProps) {
  const [other, setOther] = useState("");
  const keys = Object.fromEntries(
    reasons[dialog].map(({ kind, text }, i) => [String(i + 1), () => !isBusy && onPutAway(kind, text)]),
  );
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} keys={keys} {...texts[dialog]}>
      <ul className="space-y-1.5">
        {reasons[dialog].map(({ kind, text }, i) => (
          <li key={text}>
            <Button
              className="w-full justify-start! text-left"
              disabled={isBusy}
              aria-keyshortcuts={String(i + 1)}
              onClick={() => onPutAway(kind, text)}
            >
              <KeyHint>{String(i + 1)}</KeyHint>
              {kind === "cannotBeRanked" ? `Cannot be ranked: ${text.toLowerCase()}` : text}
            </Button>
          </li>
        ))}
      </ul>
      <form
        className="mt-4 flex items-end gap-2"
        onSubmit={(event) => {
          event.preventDefault();
          if (other.trim() !== "") onPutAway(dialog, other.trim());
        }}
      >
        <div className="grow">
          <TextField
            label="Another reason"
            maxLength={1_000}
            value={other}
            onChange={(event) => setOther(event.target.value)}
          />
        </div>
        <Button type="submit" disabled={other.trim() === "" || isBusy}>
          {dialog === "skip" ? "Skip" : "Report"}
        </Button>
      </form>
      {error && (
        <Notice tone="error" className="mt-3">
          {error}
        </Notice>
      )}
    </Dialog>
  );
}
