/** @file The temporary chat: looks its part, forgets everything when the tab goes. */
"use client";

import { useEffect, useRef, useState } from "react";
import { IconButton } from "@/app/_components/button";
import { CopyButton } from "@/app/_components/copy-button";
import { Icon } from "@/app/_components/icon";
import { Markdown } from "@/app/_components/markdown";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { AnswerState } from "./answer-state";
import { Composer, type ComposerHandle } from "./composer";
import { ChatHeader } from "./conversation-header";
import { EmptyState } from "./empty-state";
import { MessageThread } from "./message-thread";
import { PolicyNotice } from "./policy-notice";
import { Question } from "./question";
import { type ChatSettings, SettingsDialog } from "./settings-dialog";
import { StreamAnnouncer } from "./stream-announcer";
import { useTemporaryChat } from "./use-temporary-chat";

export function TemporaryView() {
  const [settings, setSettings] = useState<ChatSettings>({ systemPrompt: "", sampling: {} });
  const [areSettingsOpen, setAreSettingsOpen] = useState(false);
  const chat = useTemporaryChat(settings);
  const composer = useRef<ComposerHandle>(null);
  const { turns, isAnswering } = chat;
  const last = turns.at(-1);
  useShortcuts({ i: () => composer.current?.focus(), escape: () => isAnswering && chat.stop() });
  useWarningBeforeLeaving(turns.length > 0);

  return (
    <>
      <ChatHeader
        title={
          <h1 className="flex items-center gap-2 truncate font-semibold text-people">
            <Icon name="ghost" />
            Temporary chat
          </h1>
        }
      >
        <IconButton
          icon="sliders"
          label="Settings of this conversation"
          onClick={() => setAreSettingsOpen(true)}
        />
      </ChatHeader>
      <main className="flex min-h-0 grow flex-col border-t-2 border-dashed border-people">
        <PolicyNotice />
        {turns.length === 0 ? (
          <EmptyState
            title="Nothing here is kept"
            text="This chat is stored nowhere and used for nothing. Leaving or reloading the page ends it."
            onSuggest={(question) => composer.current?.write(question)}
          />
        ) : (
          <MessageThread pendingQuestion={last?.id}>
            {turns.map((turn) => {
              const inMaking = turn.status === "queued" || turn.status === "streaming";
              const isLast = turn === last;
              return (
                <div key={turn.id} className="space-y-6">
                  <Question text={turn.question} />
                  <article aria-label="Answer" aria-busy={inMaking}>
                    <h2 className="text-small font-semibold text-muted">
                      Attune
                      {turn.checkpointName && <span className="font-normal"> · {turn.checkpointName}</span>}
                    </h2>
                    <div className="mt-1">
                      {turn.answer && <Markdown text={turn.answer} isStreaming={inMaking} />}
                    </div>
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
                          <IconButton
                            icon="refresh"
                            label="Another answer"
                            size={16}
                            onClick={() => void chat.again()}
                          />
                        )}
                      </div>
                    )}
                  </article>
                </div>
              );
            })}
          </MessageThread>
        )}
        <Composer
          ref={composer}
          draftKey={null}
          isAnswering={isAnswering}
          placeholder="Write a message that is not kept"
          onSend={(text) => {
            void chat.send(text);
            return Promise.resolve(true);
          }}
          onStop={chat.stop}
          footnote="Not stored, not used. There is nothing to give feedback on later."
        />
      </main>
      <SettingsDialog
        open={areSettingsOpen}
        onOpenChange={setAreSettingsOpen}
        settings={settings}
        accountConsent={false}
        onSave={(changed) => {
          setSettings(changed);
          return true;
        }}
      />
    </>
  );
}

/** Leaving cannot be undone here, so the browser asks. */
function useWarningBeforeLeaving(hasSomethingToLose: boolean): void {
  useEffect(() => {
    if (!hasSomethingToLose) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [hasSomethingToLose]);
}
