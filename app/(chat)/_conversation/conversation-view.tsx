/** @file A conversation on its page: header, thread, composer, and the keys that act on the last turn. */
"use client";

import { useEffect, useRef, useState } from "react";
import type { ConversationTree } from "@/app/_lib/api-types";
import { siblingsOf } from "@/app/_lib/message-tree";
import { useShortcuts } from "@/app/_lib/use-shortcuts";
import { Answer } from "./answer";
import { Composer, type ComposerHandle } from "./composer";
import { ConsentLine } from "./consent-line";
import { ConversationHeader } from "./conversation-header";
import { ConversationSettings } from "./conversation-settings";
import { MessageThread } from "./message-thread";
import { PolicyNotice } from "./policy-notice";
import { Question } from "./question";
import { SiblingSwitch } from "./sibling-switch";
import { TwoDrafts } from "./two-drafts";
import { isUnfinished, useAnswerStream } from "./use-answer-stream";
import { useConversation } from "./use-conversation";

type ConversationViewProps = { initialTree: ConversationTree; focusMessageId: string | null };

export function ConversationView({ initialTree, focusMessageId }: ConversationViewProps) {
  const chat = useConversation(initialTree, focusMessageId);
  const { conversation, branch, lastMessage, pendingQuestion } = chat;
  const { watched, isConnected } = useAnswerStream(lastMessage, chat.put);
  const draft = lastMessage?.draft ?? null;
  const otherDraft = (draft && chat.messages.find(({ id }) => id === draft.otherId)) ?? null;
  const other = useAnswerStream(otherDraft, chat.put);
  const [editedId, setEditedId] = useState<string | null>(null);
  const [areSettingsOpen, setAreSettingsOpen] = useState(false);
  const composer = useRef<ComposerHandle>(null);
  const inMaking = [lastMessage, otherDraft].filter((message) => message !== null && isUnfinished(message));
  const isAnswering = inMaking.length > 0;
  const stop = () => {
    for (const message of inMaking) if (message) chat.stop(message.id);
  };

  useEffect(() => {
    if (focusMessageId)
      document.getElementById(`message-${focusMessageId}`)?.scrollIntoView({ block: "center" });
  }, [focusMessageId]);

  const lastQuestion = branch.findLast(({ role }) => role === "user");
  useShortcuts({
    i: () => composer.current?.focus(),
    e: () => lastQuestion && !isAnswering && setEditedId(lastQuestion.id),
    r: () => lastMessage?.role === "assistant" && !isAnswering && !draft && chat.regenerate(lastMessage.id),
    c: () => lastMessage?.role === "assistant" && void navigator.clipboard?.writeText(lastMessage.content),
    escape: stop,
  });

  return (
    <>
      <ConversationHeader conversation={conversation} onOpenSettings={() => setAreSettingsOpen(true)} />
      <main className="flex min-h-0 grow flex-col">
        <PolicyNotice />
        <MessageThread pendingQuestion={pendingQuestion} startAtEnd={focusMessageId === null}>
          {branch.map((message) => (
            <div key={message.id} id={`message-${message.id}`}>
              {message.role === "user" ? (
                <Question
                  text={message.content}
                  isEditing={editedId === message.id}
                  onEditing={(isEditing) => setEditedId(isEditing ? message.id : null)}
                  onEdit={(text) => chat.edit(message.id, text)}
                  siblings={
                    <SiblingSwitch
                      kind="question"
                      ids={siblingsOf(chat.messages, message).map(({ id }) => id)}
                      currentId={message.id}
                      onChoose={chat.chooseSibling}
                    />
                  }
                />
              ) : message.id === lastMessage?.id && draft && otherDraft ? (
                <TwoDrafts
                  drafts={
                    draft.place === "first"
                      ? [
                          { message, watched },
                          { message: otherDraft, watched: other.watched },
                        ]
                      : [
                          { message: otherDraft, watched: other.watched },
                          { message, watched },
                        ]
                  }
                  pairId={draft.pairId}
                  isConnected={isConnected && other.isConnected}
                  chat={chat}
                />
              ) : (
                <Answer
                  answer={message}
                  watched={message.id === lastMessage?.id ? watched : null}
                  isConnected={isConnected || message.id !== lastMessage?.id}
                  isLast={message.id === lastMessage?.id}
                  chat={chat}
                />
              )}
            </div>
          ))}
          {pendingQuestion !== null && <Question text={pendingQuestion} isPending />}
        </MessageThread>
        <Composer
          key={conversation.id}
          ref={composer}
          draftKey={conversation.id}
          isAnswering={isAnswering}
          placeholder="Write a message"
          onSend={chat.send}
          onStop={stop}
          footnote={<ConsentLine conversation={conversation} onChange={() => setAreSettingsOpen(true)} />}
        />
      </main>
      <ConversationSettings
        conversation={conversation}
        open={areSettingsOpen}
        onOpenChange={setAreSettingsOpen}
      />
    </>
  );
}
