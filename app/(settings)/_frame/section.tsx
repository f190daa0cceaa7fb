/** @file Page headings and titled sections, set apart by space alone. */
import type { ReactNode } from "react";

export function PageTitle({ children, aside }: { children: string; aside?: ReactNode }) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-3">
      <h1 className="text-title font-semibold">{children}</h1>
      {aside}
    </div>
  );
}

type SectionProps = { title: string; text?: ReactNode; children: ReactNode };

export function Section({ title, text, children }: SectionProps) {
  return (
    <section className="mt-10">
      <h2 className="font-semibold">{title}</h2>
      {text && <p className="mt-0.5 max-w-[38rem] text-small text-muted">{text}</p>}
      <div className="mt-3">{children}</div>
    </section>
  );
}
