/** @file One response in full, with its letter above; it scrolls, the page does not. */
"use client";

import type { ReactNode, Ref } from "react";
import { classNames } from "@/app/_components/class-names";
import { Markdown } from "@/app/_components/markdown";

type ReadingPaneProps = {
  /** A, B, … */
  letter: string;
  text: string;
  /** Beside the letter: its place, its rating. */
  note?: ReactNode;
  isFocused?: boolean;
  /** Buttons about this response. */
  children?: ReactNode;
  /** The scrolling text. */
  ref?: Ref<HTMLDivElement>;
};

export function ReadingPane({ letter, text, note, isFocused, children, ref }: ReadingPaneProps) {
  return (
    <section
      aria-label={`Response ${letter}`}
      className={classNames(
        "flex min-h-0 min-w-0 flex-col border-t-2",
        isFocused ? "border-t-accent" : "border-t-transparent",
      )}
    >
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-1.5">
        <h2 className="font-semibold">{letter}</h2>
        {note && <p className="text-small text-muted">{note}</p>}
        {children}
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1) */}
      <div ref={ref} tabIndex={0} className="min-h-0 grow overflow-y-auto px-4 pb-6" key={letter}>
        {text.trim() === "" ? (
          <p className="text-muted">This response is empty.</p>
        ) : (
          <div className="max-w-[46rem]">
            <Markdown text={text} />
          </div>
        )}
      </div>
    </section>
  );
}
