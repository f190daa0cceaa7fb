/** @file The consent question, explained once: two answers of equal weight, off until one says otherwise. */
"use client";

import { Button } from "@/app/_components/button";
import { useAnswerConsent } from "@/app/_lib/use-answer-consent";
import { useViewer } from "@/app/_lib/viewer-context";

export function ConsentQuestion() {
  const viewer = useViewer();
  const answering = useAnswerConsent();
  if (viewer.consentAnsweredAt || answering.isSuccess) return null;

  return (
    <section aria-labelledby="consent-title" className="mx-auto mb-3 w-full max-w-[38rem] px-4">
      <div className="rounded-lg bg-sunken p-4">
        <h2 id="consent-title" className="font-semibold">
          May your conversations help improve the assistant?
        </h2>
        <p className="mt-1 text-small text-muted">
          With a yes, people who rate answers on this server may read your questions and their answers, and
          models may be trained on them. Nothing leaves this server. You can decide otherwise for a single
          conversation, and change your mind at any time: what you withdraw is left out of everything made
          from then on. Until you answer, nothing is used.
        </p>
        <div className="mt-3 flex flex-wrap gap-2">
          <Button small busy={answering.isPending} onClick={() => answering.mutate({ granted: true })}>
            Yes, they may be used
          </Button>
          <Button small busy={answering.isPending} onClick={() => answering.mutate({ granted: false })}>
            No, keep them out
          </Button>
        </div>
      </div>
    </section>
  );
}
