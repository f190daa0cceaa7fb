/** @file The page where a conversation begins: settings first if wanted, then the first question makes it. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useRef, useState } from "react";
import { IconButton } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Icon } from "@/app/_components/icon";
import { useToast } from "@/app/_components/toast";
import { errorText } from "@/app/_lib/error-text";
import { newId } from "@/app/_lib/new-id";
import { useTRPC } from "@/app/_lib/trpc";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { useViewer } from "@/app/_lib/viewer-context";
import { ConsentQuestion } from "../_frame/consent-question";
import { Composer, type ComposerHandle } from "./composer";
import { ConsentLine } from "./consent-line";
import { ChatHeader } from "./conversation-header";
import { EmptyState } from "./empty-state";
import { MessageThread } from "./message-thread";
import { PolicyNotice } from "./policy-notice";
import { Question } from "./question";
import { type ChatSettings, SettingsDialog } from "./settings-dialog";

const untouched: ChatSettings = { systemPrompt: "", sampling: {}, bestOf: 1, consent: null };

export function NewConversation() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const router = useRouter();
  const toast = useToast();
  const viewer = useViewer();
  const composer = useRef<ComposerHandle>(null);
  const [settings, setSettings] = useState(untouched);
  const [areSettingsOpen, setAreSettingsOpen] = useState(false);
  const [pendingQuestion, setPendingQuestion] = useState<string | null>(null);
  const sending = useMutation(trpc.chat.send.mutationOptions());
  useShortcuts({ i: () => composer.current?.focus() });

  const send = async (content: string) => {
    setPendingQuestion(content);
    try {
      const { conversationId } = await sending.mutateAsync({
        messageId: newId(),
        conversationId: null,
        parentId: null,
        content,
        settings,
      });
      void queries.invalidateQueries({ queryKey: trpc.conversations.list.pathKey() });
      router.push(`/c/${conversationId}`);
      return true;
    } catch (error) {
      setPendingQuestion(null);
      toast({ text: errorText(error), isError: true });
      return false;
    }
  };

  return (
    <>
      <ChatHeader title={<h1 className="truncate font-semibold">New conversation</h1>}>
        <Link href="/temporary" className={buttonClass("quiet", true)}>
          <Icon name="ghost" size={16} />
          Temporary
        </Link>
        <IconButton
          icon="sliders"
          label="Settings of this conversation"
          onClick={() => setAreSettingsOpen(true)}
        />
      </ChatHeader>
      <main className="flex min-h-0 grow flex-col">
        <PolicyNotice />
        {pendingQuestion === null ? (
          <EmptyState
            title={`Hello, ${viewer.name.split(" ")[0]}`}
            text="Ask something, or begin with one of these. The model runs on this server: what you write stays here."
            onSuggest={(question) => composer.current?.write(question)}
          />
        ) : (
          <MessageThread>
            <Question text={pendingQuestion} isPending />
          </MessageThread>
        )}
        <ConsentQuestion />
        <Composer
          ref={composer}
          draftKey="new"
          isAnswering={false}
          placeholder="Write a message"
          onSend={send}
          onStop={() => {}}
          footnote={
            <ConsentLine
              conversation={{ isUsable: settings.consent ?? viewer.consent }}
              onChange={() => setAreSettingsOpen(true)}
            />
          }
        />
      </main>
      <SettingsDialog
        open={areSettingsOpen}
        onOpenChange={setAreSettingsOpen}
        settings={settings}
        accountConsent={viewer.consent}
        onSave={(changed) => {
          setSettings(changed);
          return true;
        }}
      />
    </>
  );
}
