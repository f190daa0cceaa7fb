/** @file The line above a task: where one is, and what one can always do. */
"use client";

import Link from "next/link";
import { Button, IconButton } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Icon } from "@/app/_components/icon";
import { plural } from "@/app/_lib/format";
import type { TaskView } from "@/server/domain/labeling/task-schema";
import { KeyHint } from "./key-hint";
import { useNewAnswers } from "./use-new-answers";

export type ConsoleDialog = "guidelines" | "ask" | "answers" | "skip" | "report" | "keys";

const purposes: Partial<Record<TaskView["batch"]["purpose"], string>> = {
  practice: "Practice",
  qualification: "Qualification",
  // Of InstructGPT: helpfulness first in data to learn from, these two first where policies are judged.
  evaluation: "Truthful and harmless first",
};

type ConsoleHeaderProps = {
  batch: TaskView["batch"] | null;
  /** Of a test. */
  sitting: TaskView["sitting"];
  /** While rating, `s` is a flag. */
  isSkipByKey: boolean;
  onOpen: (dialog: ConsoleDialog) => void;
};

export function ConsoleHeader({ batch, sitting, isSkipByKey, onOpen }: ConsoleHeaderProps) {
  const purpose = batch && purposes[batch.purpose];
  return (
    <header className="flex min-h-11 shrink-0 flex-wrap items-center gap-x-1 border-b border-line px-2">
      <Link href="/" aria-label="Conversations" className={buttonClass("quiet", true)}>
        <Icon name="chevronLeft" size={16} />
      </Link>
      <h1 className="min-w-0 truncate font-semibold">{batch?.name ?? "Label"}</h1>
      {purpose && <p className="rounded-md bg-selected px-2 text-small font-medium">{purpose}</p>}
      {sitting && (
        <p className="tabular ml-2 text-small text-muted">
          {sitting.answered + 1} of {sitting.total}
        </p>
      )}
      <nav aria-label="Label" className="ml-auto flex flex-wrap items-center">
        <NewAnswers onOpen={() => onOpen("answers")} />
        <Button small look="quiet" aria-keyshortcuts="g" onClick={() => onOpen("guidelines")}>
          Guidelines <KeyHint>g</KeyHint>
        </Button>
        {batch && (
          <>
            <Button small look="quiet" aria-keyshortcuts="q" onClick={() => onOpen("ask")}>
              Ask <KeyHint>q</KeyHint>
            </Button>
            {batch.purpose !== "qualification" && (
              <Button
                small
                look="quiet"
                aria-keyshortcuts={isSkipByKey ? "s" : undefined}
                onClick={() => onOpen("skip")}
              >
                Skip {isSkipByKey && <KeyHint>s</KeyHint>}
              </Button>
            )}
            <Button small look="quiet" aria-keyshortcuts="r" onClick={() => onOpen("report")}>
              Report <KeyHint>r</KeyHint>
            </Button>
          </>
        )}
        <Link href="/label/work" className={buttonClass("quiet", true)}>
          Your work
        </Link>
        <IconButton icon="keyboard" label="Keys on this page" shortcut="?" onClick={() => onOpen("keys")} />
      </nav>
    </header>
  );
}

/** First of a row that ends at the right: an answer that comes while one works moves nothing under the pointer. */
function NewAnswers({ onOpen }: { onOpen: () => void }) {
  const { length } = useNewAnswers();
  return (
    <span role="status">
      {length > 0 && (
        <Button small onClick={onOpen} className="border-accent">
          {plural(length, "new answer", "new answers")}
        </Button>
      )}
    </span>
  );
}
