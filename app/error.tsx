/** @file Shown when a page fails: what happened, what is safe, what to do. */
"use client";

import { Button } from "./_components/button";
import { PlainPage } from "./_components/plain-page";

type ErrorPageProps = { error: Error & { digest?: string }; reset: () => void };

export default function ErrorPage({ error, reset }: ErrorPageProps) {
  return (
    <PlainPage title="This page could not be shown">
      <p>Something failed while it was being made. Conversations and settings are stored and safe.</p>
      {error.digest && (
        <p className="text-small text-muted">
          In the server's log the reason stands under <code className="font-mono">{error.digest}</code>.
        </p>
      )}
      <Button look="primary" onClick={reset}>
        Try again
      </Button>
    </PlainPage>
  );
}
