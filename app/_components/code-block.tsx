/** @file A block of code with its language, a copy button, and highlighting that arrives once its chunk has loaded. */
"use client";

import { type ReactNode, useEffect, useState } from "react";
import { CopyButton } from "./copy-button";

type Highlighter = (code: string, language: string) => ReactNode | null;

let highlighter: Highlighter | null = null;

async function loadHighlighter(): Promise<Highlighter> {
  highlighter ??= (await import("./highlight-code")).highlightCode;
  return highlighter;
}

export function CodeBlock({ code, language }: { code: string; language: string }) {
  const [highlight, setHighlight] = useState<Highlighter | null>(() => highlighter);

  useEffect(() => {
    if (highlight || !language) return;
    let isMounted = true;
    void loadHighlighter().then((loaded) => isMounted && setHighlight(() => loaded));
    return () => {
      isMounted = false;
    };
  }, [highlight, language]);

  return (
    <figure className="overflow-hidden rounded-lg bg-sunken">
      <figcaption className="flex items-center justify-between pt-1 pr-1 pl-3 text-small text-muted">
        <span>{language || "text"}</span>
        <CopyButton text={code} label="Copy code" />
      </figcaption>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1) */}
      <pre tabIndex={0} className="code-text overflow-x-auto px-3 pb-3" dir="ltr">
        <code>{highlight?.(code, language) ?? code}</code>
      </pre>
    </figure>
  );
}
