/** @file The column of questions and answers, which follows a growing answer while the reader is at its end. */
"use client";

import { type ReactNode, useEffect, useRef } from "react";
import { Icon } from "@/app/_components/icon";
import { useFollowEnd } from "@/app/_lib/use-follow-end";

type MessageThreadProps = {
  /** Changes with each question the reader sends, which leads back to the end. */
  pendingQuestion?: string | null;
  /** False where another place is to be shown first. */
  startAtEnd?: boolean;
  /** Where there are several on a page. */
  label?: string;
  children: ReactNode;
};

export function MessageThread({
  pendingQuestion = null,
  startAtEnd = true,
  label = "Conversation",
  children,
}: MessageThreadProps) {
  const container = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const { isAway, jumpToEnd } = useFollowEnd({ container, content, startAtEnd });

  useEffect(() => {
    if (pendingQuestion !== null) jumpToEnd();
  }, [pendingQuestion, jumpToEnd]);

  return (
    <div className="relative min-h-0 grow">
      <div
        ref={container}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1)
        tabIndex={0}
        role="log"
        aria-live="off"
        aria-label={label}
        className="h-full overflow-y-auto overscroll-contain outline-offset-[-2px]"
      >
        <div ref={content} className="mx-auto w-full max-w-[38rem] space-y-4 px-4 py-6">
          {children}
        </div>
      </div>
      {isAway && (
        <button
          type="button"
          onClick={jumpToEnd}
          className="absolute bottom-2 left-1/2 inline-flex min-h-8 -translate-x-1/2 items-center gap-1.5 rounded-full border border-line bg-raised px-3 text-small shadow-float hover:bg-hover"
        >
          <Icon name="arrowDown" size={14} />
          Jump to newest
        </button>
      )}
    </div>
  );
}
