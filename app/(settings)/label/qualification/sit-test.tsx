/** @file A sitting under way: how far it is, on with it, and handing it in. */
"use client";

import { useMutation } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Notice } from "@/app/_components/notice";
import type { OwnSitting } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "@/app/(settings)/_frame/section";

type SitTestProps = { sitting: OwnSitting; onDone: () => void };

export function SitTest({ sitting, onDone }: SitTestProps) {
  const { answered, total } = sitting.progress;
  const isComplete = answered === total;
  const submitting = useMutation(useTRPC().qualification.submit.mutationOptions({ onSuccess: onDone }));
  return (
    <Section
      title="You are sitting the test"
      text="Drafts are kept; you may stop and go on later. Once it is handed in, no answer can be changed."
    >
      <p id="test-progress" className="tabular">
        {answered} of {total} tasks answered.
      </p>
      <progress
        aria-labelledby="test-progress"
        max={Math.max(total, 1)}
        value={answered}
        className="mt-1 w-64"
      />
      {submitting.error && (
        <Notice tone="error" className="mt-3 max-w-[38rem]">
          {errorText(submitting.error)}
        </Notice>
      )}
      <p className="mt-3 flex flex-wrap gap-2">
        {!isComplete && (
          <Link href="/label?purpose=qualification" className={buttonClass("primary")}>
            {answered === 0 ? "Begin" : "Go on"}
          </Link>
        )}
        {isComplete && (
          <Button look="primary" busy={submitting.isPending} onClick={() => submitting.mutate()}>
            Hand the test in
          </Button>
        )}
      </p>
    </Section>
  );
}
