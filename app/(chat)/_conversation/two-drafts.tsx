/** @file Two drafts of one answer side by side, blind: the reader says which is better, or just writes on. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Markdown } from "@/app/_components/markdown";
import type { DraftChoice, Message } from "@/app/_lib/api-types";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { AnswerState } from "./answer-state";
import { isUnfinished, type WatchedAnswer } from "./use-answer-stream";
import type { ConversationHandle } from "./use-conversation";

type ShownDraft = { message: Message; watched: WatchedAnswer | null };
type Verdict = DraftChoice["verdict"];

type TwoDraftsProps = {
  drafts: readonly [ShownDraft, ShownDraft];
  pairId: string;
  isConnected: boolean;
  chat: ConversationHandle;
};

const places = ["first", "second"] as const;

export function TwoDrafts({ drafts, pairId, isConnected, chat }: TwoDraftsProps) {
  /** Neither is better: which goes on is still to be said. */
  const [evenly, setEvenly] = useState<"tie" | "bothBad" | null>(null);
  const isReady = drafts.every(({ message }) => !isUnfinished(message));
  // The live policy knows the conversation so far and begins sooner: that would tell which is which.
  const haveBegun = drafts.every((draft) => textOf(draft) !== "" || !isUnfinished(draft.message));
  const canChoose = isReady && !chat.isBusy;
  const choose = (verdict: Verdict, goesOnWith: (typeof places)[number] = "first") =>
    canChoose && chat.chooseDraft({ pairId, verdict, goesOnWith });
  const say = (verdict: "tie" | "bothBad") => canChoose && setEvenly(verdict);
  useShortcuts({
    1: () => (evenly ? choose(evenly, "first") : choose("first")),
    2: () => (evenly ? choose(evenly, "second") : choose("second")),
    "=": () => say("tie"),
    b: () => say("bothBad"),
    // Elsewhere it stops what is being written.
    ...(evenly && { escape: () => setEvenly(null) }),
  });

  return (
    <section aria-labelledby={`pair-${pairId}`} className="lg:-mx-16 xl:-mx-40">
      <h2 id={`pair-${pairId}`} className="text-small font-semibold text-muted">
        Attune · two drafts
      </h2>
      <p className="text-small text-muted">
        By two versions, in a random order. The one you choose goes on, and your choice counts in comparing
        them; if you just write on, the first goes on and nothing counts.
      </p>
      <div className="mt-3 grid gap-x-8 gap-y-6 md:grid-cols-2">
        {drafts.map((draft, at) => (
          <Draft
            key={draft.message.id}
            {...draft}
            number={at + 1}
            isHeldBack={!haveBegun}
            isConnected={isConnected}
            act={evenly ? `Go on with draft ${at + 1}` : `Draft ${at + 1} is better`}
            isDisabled={!canChoose}
            onChoose={() => choose(evenly ?? places[at] ?? "first", places[at])}
          />
        ))}
      </div>
      <div className="mt-3 flex min-h-9 flex-wrap items-center gap-2">
        {evenly ? (
          <>
            <p role="status">
              {evenly === "tie" ? "As good as each other." : "Both are bad."} Which goes on?
            </p>
            <Button small onClick={() => setEvenly(null)}>
              Back
            </Button>
          </>
        ) : (
          <>
            <Button small disabled={!canChoose} aria-keyshortcuts="=" onClick={() => say("tie")}>
              As good as each other
            </Button>
            <Button small disabled={!canChoose} aria-keyshortcuts="b" onClick={() => say("bothBad")}>
              Both bad
            </Button>
          </>
        )}
      </div>
      <p aria-live="polite" className="sr-only">
        {isReady
          ? "Two drafts are written. Say which is better, or write on."
          : "Two drafts are being written."}
      </p>
    </section>
  );
}

const textOf = ({ message, watched }: ShownDraft) => watched?.text ?? message.content;

type DraftProps = ShownDraft & {
  number: number;
  /** Until the other one has a word to show, too. */
  isHeldBack: boolean;
  isConnected: boolean;
  act: string;
  isDisabled: boolean;
  onChoose: () => void;
};

function Draft({ number, isHeldBack, isConnected, act, isDisabled, onChoose, ...draft }: DraftProps) {
  const { message, watched } = draft;
  const inMaking = isUnfinished(message);
  const text = isHeldBack ? "" : textOf(draft);
  return (
    <article
      aria-label={`Draft ${number}`}
      aria-busy={inMaking}
      className="flex min-w-0 flex-col border-t border-line pt-2"
    >
      <h3 className="text-small font-semibold text-muted">Draft {number}</h3>
      <div className="mt-1 grow">
        {text && <Markdown text={text} isStreaming={inMaking} />}
        <AnswerState
          status={watched?.status ?? message.status}
          hasText={text !== ""}
          position={watched?.position ?? null}
          error={message.error}
          droppedTurns={watched?.droppedTurns ?? message.droppedTurns}
          cutCharacters={watched?.cutCharacters ?? message.cutCharacters}
          isConnected={isConnected}
        />
      </div>
      <p className="mt-2">
        <Button disabled={isDisabled} aria-keyshortcuts={String(number)} onClick={onChoose}>
          {act}
        </Button>
      </p>
    </article>
  );
}
