/** @file One conversation on screen: its tree, the branch shown, and everything that can be done in it. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useToast } from "@/app/_components/toast";
import type { ConversationTree, DraftChoice, Feedback, Message } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { newestLeaf, newestLeafBelow, pathTo, putMessages } from "@/app/_lib/message-tree";
import { newId } from "@/app/_lib/new-id";
import { useTRPC } from "@/app/_lib/trpc";

export type ConversationHandle = ReturnType<typeof useConversation>;

/** @param focusMessageId opens the branch through this message (a search hit) instead of the one last shown */
export function useConversation(initialTree: ConversationTree, focusMessageId: string | null) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const conversationId = initialTree.conversation.id;
  const options = trpc.conversations.get.queryOptions({ conversationId }, { initialData: initialTree });
  const { data: tree } = useQuery(options);
  const { messages, conversation } = tree;

  const [chosenLeafId, setChosenLeafId] = useState<string | null>(() =>
    focusMessageId ? newestLeafBelow(messages, focusMessageId) : null,
  );
  /** A question on its way to the server. */
  const [pendingQuestion, setPendingQuestion] = useState<string | null>(null);

  // A branch that was just asked for wins over the stored one, which another tab may have changed.
  const branch =
    [chosenLeafId, conversation.activeLeafId, newestLeaf(messages)]
      .map((leafId) => pathTo(messages, leafId))
      .find((path) => path.length > 0) ?? [];
  const lastMessage = branch.at(-1) ?? null;

  const put = (...changed: Message[]) => {
    queries.setQueryData(options.queryKey, (now) =>
      now ? { ...now, messages: putMessages(now.messages, changed) } : now,
    );
  };
  const putFeedback = (messageId: string, feedback: Feedback) => {
    const answer = queries.getQueryData(options.queryKey)?.messages.find(({ id }) => id === messageId);
    if (answer) put({ ...answer, feedback });
    // A tree on its way may have been read before: it is dropped, and read once more.
    void queries.invalidateQueries({ queryKey: options.queryKey });
  };
  const show = (answer: Message, ...others: Message[]) => {
    put(...others, answer);
    setChosenLeafId(answer.id);
  };
  const onError = (error: unknown) => toast({ text: errorText(error), isError: true });

  const sending = useMutation(trpc.chat.send.mutationOptions({ onError }));
  const editing = useMutation(trpc.chat.edit.mutationOptions({ onError }));
  const regenerating = useMutation(
    trpc.chat.regenerate.mutationOptions({ onSuccess: (answer) => show(answer), onError }),
  );
  const retrying = useMutation(trpc.chat.retry.mutationOptions({ onSuccess: (a) => put(a), onError }));
  const continuing = useMutation(trpc.chat.continue.mutationOptions({ onSuccess: (a) => put(a), onError }));
  const stopping = useMutation(trpc.chat.stop.mutationOptions({ onSuccess: (a) => put(a), onError }));
  const comparing = useMutation(
    trpc.chat.chooseDraft.mutationOptions({
      onSuccess: (drafts) => {
        put(...drafts);
        if (drafts[0]) setChosenLeafId(drafts[0].id);
      },
      onError,
    }),
  );
  const choosing = useMutation(trpc.conversations.chooseBranch.mutationOptions({ onError }));

  const isBusy = [sending, editing, regenerating, retrying, continuing, comparing].some(
    ({ isPending }) => isPending,
  );

  return {
    conversation,
    messages,
    branch,
    lastMessage,
    pendingQuestion,
    isBusy,
    put,
    putFeedback,

    /** @returns whether the server took the question */
    send: async (content: string): Promise<boolean> => {
      setPendingQuestion(content);
      try {
        const parentId = lastMessage?.role === "assistant" ? lastMessage.id : (lastMessage?.parentId ?? null);
        const { question, answer, otherDraft } = await sending.mutateAsync({
          messageId: newId(),
          conversationId,
          parentId,
          content,
        });
        show(answer, question, ...(otherDraft ? [otherDraft] : []));
        // A draft that was passed over by writing on is told by whom, from now on.
        if (lastMessage?.draft) void queries.invalidateQueries({ queryKey: options.queryKey });
        return true;
      } catch {
        return false; // said by the toast; the text goes back into the field
      } finally {
        setPendingQuestion(null);
      }
    },

    /** @returns whether the server took the new wording */
    edit: async (messageId: string, content: string): Promise<boolean> => {
      try {
        const { question, answer, otherDraft } = await editing.mutateAsync({
          messageId,
          newMessageId: newId(),
          content,
        });
        show(answer, question, ...(otherDraft ? [otherDraft] : []));
        return true;
      } catch {
        return false;
      }
    },

    chooseDraft: (choice: DraftChoice) => comparing.mutate(choice),
    regenerate: (messageId: string) => regenerating.mutate({ messageId, newMessageId: newId() }),
    retry: (messageId: string) => retrying.mutate({ messageId }),
    continueAnswer: (messageId: string) => continuing.mutate({ messageId }),
    stop: (messageId: string) => stopping.mutate({ messageId }),

    chooseSibling: (messageId: string) => {
      setChosenLeafId(newestLeafBelow(messages, messageId));
      choosing.mutate({ messageId });
    },
  };
}
