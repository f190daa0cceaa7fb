/** @file Reads a growing answer to screen readers sentence by sentence, politely, instead of token by token. */
"use client";

import { useEffect, useRef, useState } from "react";

type StreamAnnouncerProps = { text: string; isStreaming: boolean };

export function StreamAnnouncer({ text, isStreaming }: StreamAnnouncerProps) {
  // What was there when the page opened can be read at leisure; only what arrives is announced.
  const announcedTo = useRef(isStreaming ? 0 : text.length);
  const wasStreaming = useRef(isStreaming);
  const [announcement, setAnnouncement] = useState("");

  useEffect(() => {
    if (text.length < announcedTo.current) announcedTo.current = 0; // another answer
    const hasEnded = wasStreaming.current && !isStreaming;
    wasStreaming.current = isStreaming;
    if (!isStreaming && !hasEnded) {
      announcedTo.current = text.length;
      return;
    }
    const fresh = text.slice(announcedTo.current);
    const length = isStreaming ? lengthOfWholeSentences(fresh) : fresh.length;
    if (length === 0 && !hasEnded) return;
    announcedTo.current += length;
    const words = toSpeech(fresh.slice(0, length));
    setAnnouncement(hasEnded ? `${words} Answer ended.` : words);
  }, [text, isStreaming]);

  return (
    <p aria-live="polite" aria-atomic="true" className="sr-only">
      {announcement}
    </p>
  );
}

/** Up to the last sentence or line end, so that no half sentence is read. */
function lengthOfWholeSentences(text: string): number {
  const ends = [...text.matchAll(/[.!?。！？](?=\s)|\n/gu)];
  const last = ends.at(-1);
  return last ? last.index + last[0].length : 0;
}

/** Without the signs of markdown that would be read aloud. */
function toSpeech(markdown: string): string {
  return markdown
    .replace(/[*_`#>|]+/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
