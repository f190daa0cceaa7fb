/** @file An answer: its text as it grows, how it ended, and what can be done with it. */
"use client";

import { useState } from "react";
import { IconButton } from "@/app/_components/button";
import { CopyButton } from "@/app/_components/copy-button";
import { Markdown } from "@/app/_components/markdown";
import type { Message } from "@/app/_lib/api-types";
import { siblingsOf } from "@/app/_lib/message-tree";
import { AnswerState } from "./answer-state";
import { Comparison, FeedbackPanel, type Thumb, Thumbs, useFeedback } from "./feedback-panel";
import { LineageDialog } from "./lineage-dialog";
import { SiblingSwitch } from "./sibling-switch";
import { StreamAnnouncer } from "./stream-announcer";
import { isUnfinished, type WatchedAnswer } from "./use-answer-stream";
import type { ConversationHandle } from "./use-conversation";

type AnswerProps = {
  answer: Message;
  /** What is known from watching it; null once it has ended. */
  watched: WatchedAnswer | null;
  isConnected: boolean;
  isLast: boolean;
  chat: ConversationHandle;
};

export function Answer({ answer, watched, isConnected, isLast, chat }: AnswerProps) {
  const [isExplained, setIsExplained] = useState(false);
  const [openedFor, setOpenedFor] = useState<Thumb | null>(null);
  const { feedback, thumb, isSaving, give } = useFeedback(answer, chat.putFeedback);
  const inMaking = isUnfinished(answer);
  const text = watched?.text ?? answer.content;
  const siblings = siblingsOf(chat.messages, answer);
  const before = siblings[siblings.findIndex(({ id }) => id === answer.id) - 1];

  return (
    <article aria-label="Answer" aria-busy={inMaking} className="group/turn">
      <h2 className="text-small font-semibold text-muted">
        Attune
        {answer.checkpoint && <span className="font-normal"> · {answer.checkpoint.name}</span>}
      </h2>
      <div className="mt-1">
        {text && <Markdown text={text} isStreaming={inMaking} />}
        {inMaking && text && (
          <span
            aria-hidden="true"
            className="mt-1 inline-block h-4 w-2 rounded-xs bg-muted animate-pulse-quiet"
          />
        )}
      </div>
      {isLast && <StreamAnnouncer text={text} isStreaming={inMaking} />}
      <AnswerState
        status={watched?.status ?? answer.status}
        hasText={text !== ""}
        position={watched?.position ?? null}
        progress={watched?.progress ?? null}
        isUncompared={answer.bestOf !== null && answer.score === null}
        error={answer.error}
        droppedTurns={watched?.droppedTurns ?? answer.droppedTurns}
        cutCharacters={watched?.cutCharacters ?? answer.cutCharacters}
        isConnected={isConnected}
        onContinue={isLast ? () => chat.continueAnswer(answer.id) : undefined}
        onRetry={isLast ? () => chat.retry(answer.id) : undefined}
      />
      <div className="-ml-2 flex flex-wrap items-center">
        {!inMaking && (
          <span
            className={
              isLast
                ? "flex items-center"
                : "flex items-center opacity-0 group-hover/turn:opacity-100 focus-within:opacity-100 has-aria-pressed:opacity-100 pointer-coarse:opacity-100"
            }
          >
            {text && <CopyButton text={text} label="Copy the answer" />}
            <Thumbs
              thumb={thumb}
              onThumb={(thumb) => {
                void give({ thumb });
                setOpenedFor(thumb);
              }}
            />
            <IconButton
              icon="refresh"
              label="Another answer"
              shortcut={isLast ? "r" : undefined}
              size={16}
              disabled={chat.isBusy}
              onClick={() => chat.regenerate(answer.id)}
            />
            <IconButton icon="info" label="What made this?" size={16} onClick={() => setIsExplained(true)} />
          </span>
        )}
        <SiblingSwitch
          kind="answer"
          ids={siblings.map(({ id }) => id)}
          currentId={answer.id}
          onChoose={chat.chooseSibling}
        />
      </div>
      {!inMaking &&
        before &&
        before.id !== answer.draftedWithId &&
        isLast &&
        text &&
        !isUnfinished(before) && (
          <Comparison
            feedback={feedback}
            comparedToId={before.id}
            onCompare={(comparison) => void give({ comparison })}
          />
        )}
      {!inMaking && openedFor !== null && (
        <FeedbackPanel
          key={openedFor}
          feedback={feedback}
          thumb={openedFor}
          isSaving={isSaving}
          onSave={give}
          onClose={() => setOpenedFor(null)}
        />
      )}
      {isExplained && <LineageDialog messageId={answer.id} onClose={() => setIsExplained(false)} />}
    </article>
  );
}
