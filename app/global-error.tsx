/** @file The last resort: shown when even the frame of the pages fails, so it brings its own. */
"use client";

import "./globals.css";

export default function GlobalError({ reset }: { reset: () => void }) {
  return (
    <html lang="en">
      <body>
        <main className="mx-auto max-w-md space-y-4 px-4 py-24">
          <title>Attune</title>
          <h1 className="text-title font-semibold">Attune could not show this page</h1>
          <p>
            Conversations and settings are stored and safe. Reload the page; if it fails again, look at the
            server's log.
          </p>
          <button
            type="button"
            onClick={reset}
            className="rounded-md bg-accent px-3.5 py-1.5 font-medium text-on-accent"
          >
            Try again
          </button>
        </main>
      </body>
    </html>
  );
}
