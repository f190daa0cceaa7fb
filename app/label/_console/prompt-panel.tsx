/** @file What the responses answer: the whole conversation so far, folded to its last turn when it is long. */
"use client";

import { useId } from "react";
import { Button } from "@/app/_components/button";
import { Markdown } from "@/app/_components/markdown";
import type { TaskView } from "@/server/domain/labeling/task-schema";
import { KeyHint } from "./key-hint";

const roleNames = { system: "System", user: "User", assistant: "Assistant" } as const;

type PromptPanelProps = {
  messages: TaskView["prompt"]["messages"];
  isOpen: boolean;
  onToggle: () => void;
};

export function PromptPanel({ messages, isOpen, onToggle }: PromptPanelProps) {
  const id = useId();
  const last = messages.at(-1);
  const earlier = messages.length - 1;
  return (
    <section aria-label="Prompt" className="flex shrink-0 items-start gap-3 border-b border-line px-4 py-2">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region must be focusable (WCAG 2.1.1) */}
      <div id={id} tabIndex={0} className="max-h-[34dvh] min-w-0 grow space-y-2 overflow-y-auto">
        {isOpen ? (
          messages.map(({ role, content }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the turns of a prompt never change places
            <div key={index} className="flex gap-3">
              <span className="w-16 shrink-0 text-small leading-6 text-muted">{roleNames[role]}</span>
              <div className="max-w-[46rem] min-w-0">
                <Markdown text={content} />
              </div>
            </div>
          ))
        ) : (
          <p className="line-clamp-2 max-w-[76rem]">
            <span className="mr-3 text-small text-muted">
              {last ? roleNames[last.role] : "Empty"}
              {earlier > 0 && `, after ${earlier} earlier ${earlier === 1 ? "turn" : "turns"}`}
            </span>
            {last?.content}
          </p>
        )}
      </div>
      <Button
        small
        look="quiet"
        className="shrink-0 whitespace-nowrap"
        aria-expanded={isOpen}
        aria-controls={id}
        aria-keyshortcuts="p"
        onClick={onToggle}
      >
        {isOpen ? "Fold" : "Whole prompt"} <KeyHint>p</KeyHint>
      </Button>
    </section>
  );
}

/** Short prompts are open from the beginning. */
export function isShort({ messages }: TaskView["prompt"]): boolean {
  return messages.length === 1 && (messages[0]?.content.length ?? 0) <= 280;
}
