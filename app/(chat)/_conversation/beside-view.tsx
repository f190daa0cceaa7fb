/** @file One question put to two policies at once, a chosen checkpoint beside the live one; nothing of it is kept. */
"use client";

import { useRef, useState } from "react";
import { IconButton } from "@/app/_components/button";
import { Icon } from "@/app/_components/icon";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { Composer, type ComposerHandle } from "./composer";
import { ChatHeader } from "./conversation-header";
import { MessageThread } from "./message-thread";
import { PolicyNotice } from "./policy-notice";
import { type ChatSettings, SettingsDialog } from "./settings-dialog";
import { TemporaryTurnView } from "./temporary-turn";
import { useWarningBeforeLeaving } from "./temporary-view";
import { useTemporaryChat } from "./use-temporary-chat";

type BesideViewProps = {
  /** `origin`: where it comes from, in a few words. */
  checkpoint: { id: string; name: string; origin: string };
  liveName: string;
};

export function BesideView({ checkpoint, liveName }: BesideViewProps) {
  const [settings, setSettings] = useState<ChatSettings>({ systemPrompt: "", sampling: {} });
  const [areSettingsOpen, setAreSettingsOpen] = useState(false);
  const chosen = useTemporaryChat({ ...settings, checkpointId: checkpoint.id });
  const live = useTemporaryChat(settings);
  const composer = useRef<ComposerHandle>(null);
  const isAnswering = chosen.isAnswering || live.isAnswering;
  const stop = () => {
    chosen.stop();
    live.stop();
  };
  useShortcuts({ i: () => composer.current?.focus(), escape: () => isAnswering && stop() });
  useWarningBeforeLeaving(chosen.turns.length > 0);
  const columns = [
    { meaning: "candidate", label: checkpoint.name, text: checkpoint.origin, chat: chosen },
    { meaning: "live", label: liveName, text: "live now", chat: live },
  ] as const;

  return (
    <>
      <ChatHeader
        title={
          <h1 className="flex items-center gap-2 truncate font-semibold text-people">
            <Icon name="ghost" />
            {checkpoint.name} beside the live policy
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
        <div className="grid min-h-0 grow auto-rows-fr divide-line max-md:divide-y md:grid-cols-2 md:divide-x">
          {columns.map(({ meaning, label, text, chat }) => (
            <section key={meaning} aria-label={label} className="flex min-h-0 min-w-0 flex-col">
              <h2 className="flex flex-wrap items-baseline gap-x-3 px-4 pt-3">
                <MeaningBadge meaning={meaning}>{label}</MeaningBadge>
                <span className="text-small text-muted">{text}</span>
              </h2>
              {chat.turns.length === 0 ? (
                <p className="px-4 pt-4 text-muted">
                  {meaning === "live"
                    ? "The same question is put to both."
                    : "It is loaded by the first question, which may take a moment, and put away when nobody asks."}
                </p>
              ) : (
                <MessageThread label={`Conversation with ${label}`} pendingQuestion={chat.turns.at(-1)?.id}>
                  {chat.turns.map((turn) => (
                    <TemporaryTurnView key={turn.id} turn={turn} chat={chat} />
                  ))}
                </MessageThread>
              )}
            </section>
          ))}
        </div>
        <Composer
          ref={composer}
          draftKey={null}
          isAnswering={isAnswering}
          placeholder="Ask both"
          onSend={(text) => {
            void chosen.send(text);
            void live.send(text);
            return Promise.resolve(true);
          }}
          onStop={stop}
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
