/** @file The temporary chat: looks its part, forgets everything when the tab goes. */
"use client";

import { useEffect, useRef, useState } from "react";
import { IconButton } from "@/app/_components/button";
import { Icon } from "@/app/_components/icon";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { Composer, type ComposerHandle } from "./composer";
import { ChatHeader } from "./conversation-header";
import { EmptyState } from "./empty-state";
import { MessageThread } from "./message-thread";
import { PolicyNotice } from "./policy-notice";
import { type ChatSettings, SettingsDialog } from "./settings-dialog";
import { TemporaryTurnView } from "./temporary-turn";
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
            {turns.map((turn) => (
              <TemporaryTurnView key={turn.id} turn={turn} chat={chat} />
            ))}
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
export function useWarningBeforeLeaving(hasSomethingToLose: boolean): void {
  useEffect(() => {
    if (!hasSomethingToLose) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [hasSomethingToLose]);
}
