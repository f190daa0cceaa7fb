/** @file Markdown whose renderer is loaded beside the page, not before it: until then the same text stands there plain. */
"use client";

import { lazy, Suspense } from "react";

const MarkdownDocument = lazy(async () => ({
  default: (await import("./markdown-document")).MarkdownDocument,
}));

export function Markdown({ text, isStreaming = false }: { text: string; isStreaming?: boolean }) {
  return (
    <Suspense fallback={<div className="prose whitespace-pre-wrap">{text}</div>}>
      <MarkdownDocument text={text} isStreaming={isStreaming} />
    </Suspense>
  );
}
