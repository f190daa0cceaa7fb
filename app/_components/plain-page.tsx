/** @file A page with one thing to say or ask: signing in, an expired link, an error. */
import type { ReactNode } from "react";
import { Logo } from "./logo";

export function PlainPage({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-sm flex-col justify-center px-5 py-12">
      <p className="flex items-center gap-2 font-semibold text-muted">
        <Logo />
        Attune
      </p>
      <h1 className="mt-6 text-title font-semibold">{title}</h1>
      <div className="mt-4 space-y-4">{children}</div>
    </main>
  );
}
