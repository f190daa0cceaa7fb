/** @file What can be done to a conversation from the list or its own page, with undo where something disappears. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useParams, useRouter } from "next/navigation";
import { useToast } from "@/app/_components/toast";
import type { ConversationSummary, Inputs } from "@/app/_lib/api-types";
import { downloadFile } from "@/app/_lib/download-file";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC, useTRPCClient } from "@/app/_lib/trpc";

type Change = Omit<Inputs["conversations"]["change"], "conversationId">;

export type ConversationActions = ReturnType<typeof useConversationActions>;

export function useConversationActions() {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queries = useQueryClient();
  const toast = useToast();
  const router = useRouter();
  const { conversationId: openId } = useParams<{ conversationId?: string }>();

  const refresh = () => queries.invalidateQueries({ queryKey: trpc.conversations.pathKey() });
  const onError = (error: unknown) => toast({ text: errorText(error), isError: true });
  const changing = useMutation(trpc.conversations.change.mutationOptions({ onSuccess: refresh, onError }));
  const deleting = useMutation(trpc.conversations.delete.mutationOptions({ onSuccess: refresh, onError }));
  const restoring = useMutation(trpc.conversations.restore.mutationOptions({ onSuccess: refresh, onError }));

  const change = (conversationId: string, what: Change) => changing.mutate({ conversationId, ...what });

  return {
    change,

    rename: (conversationId: string, title: string) => change(conversationId, { title }),

    archive({ id, isArchived }: ConversationSummary) {
      changing.mutate(
        { conversationId: id, isArchived: !isArchived },
        {
          onSuccess: () =>
            toast({
              text: isArchived ? "Moved back to the list." : "Archived.",
              undo: () => change(id, { isArchived }),
            }),
        },
      );
    },

    remove({ id }: ConversationSummary) {
      deleting.mutate(
        { conversationId: id },
        {
          onSuccess: () => {
            toast({ text: "Conversation deleted.", undo: () => restoring.mutate({ conversationId: id }) });
            if (id === openId) router.push("/");
          },
        },
      );
    },

    async download(conversationId: string, format: "markdown" | "json") {
      try {
        downloadFile(await client.conversations.export.query({ conversationId, format }));
      } catch (error) {
        onError(error);
      }
    },
  };
}
