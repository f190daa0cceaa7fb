/** @file The prompts chosen in the list, whatever the filter shows now, and the batch they can become. */
"use client";

import Link from "next/link";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { plural } from "@/app/_lib/format";
import { newBatchAddress } from "../batches/new/named-prompts";

type ChosenPromptsProps = { chosen: readonly string[]; onClear: () => void };

export function ChosenPrompts({ chosen, onClear }: ChosenPromptsProps) {
  return (
    <div className="mt-4 flex min-h-9 max-w-3xl flex-wrap items-center gap-3">
      <p role="status" className="text-small text-muted">
        {chosen.length === 0
          ? "Tick prompts to make a batch of them."
          : `${plural(chosen.length, "prompt", "prompts")} chosen.`}
      </p>
      {chosen.length > 0 && (
        <>
          <Link href={newBatchAddress(chosen)} className={buttonClass("plain")}>
            Make a batch of these
          </Link>
          <Button look="quiet" onClick={onClear}>
            Choose none
          </Button>
        </>
      )}
    </div>
  );
}
