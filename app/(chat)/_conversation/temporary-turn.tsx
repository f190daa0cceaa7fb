/** @file One question of a temporary chat and its answer. */
"use client";

import { IconButton } from "@/app/_components/button";
import { CopyButton } from "@/app/_components/copy-button";
import { Markdown } from "@/app/_components/markdown";
import { AnswerState } from "./answer-state";
import { Question } from "./question";
import { StreamAnnouncer } from "./stream-announcer";
import type { TemporaryTurn, useTemporaryChat } from "./use-temporary-chat";

type TemporaryTurnViewProps = { turn: TemporaryTurn; chat: ReturnType<typeof useTemporaryChat> };

export function TemporaryTurnView({ turn, chat }: TemporaryTurnViewProps) {
  const inMaking = turn.status === "queued" || turn.status === "streaming";
  const isLast = turn === chat.turns.at(-1);
  return (
    <div className="space-y-6">
      <Question text={turn.question} />
      <article aria-label="Answer" aria-busy={inMaking}>
        <h2 className="text-small font-semibold text-muted">
          Attune
          {turn.checkpointName && <span className="font-normal"> · {turn.checkpointName}</span>}
        </h2>
        <div className="mt-1">{turn.answer && <Markdown text={turn.answer} isStreaming={inMaking} />}</div>
        {isLast && <StreamAnnouncer text={turn.answer} isStreaming={inMaking} />}
        <AnswerState
          status={turn.status}
          hasText={turn.answer !== ""}
          position={turn.position}
          error={turn.error}
          droppedTurns={turn.droppedTurns}
          cutCharacters={turn.cutCharacters}
          isConnected
          onContinue={isLast ? () => void chat.continueAnswer() : undefined}
          onRetry={isLast ? () => void chat.again() : undefined}
        />
        {!inMaking && (
          <div className="-ml-2 flex">
            {turn.answer && <CopyButton text={turn.answer} label="Copy the answer" />}
            {isLast && (
              <IconButton icon="refresh" label="Another answer" size={16} onClick={() => void chat.again()} />
            )}
          </div>
        )}
      </article>
    </div>
  );
}
