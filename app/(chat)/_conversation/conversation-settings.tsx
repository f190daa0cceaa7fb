/** @file The settings dialog of a stored conversation: saves what changed, consent included. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useToast } from "@/app/_components/toast";
import type { Conversation } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { useViewer } from "@/app/_lib/viewer-context";
import { type ChatSettings, SettingsDialog } from "./settings-dialog";

type ConversationSettingsProps = {
  conversation: Conversation;
  open: boolean;
  onOpenChange: (open: boolean) => void;
};

export function ConversationSettings({ conversation, open, onOpenChange }: ConversationSettingsProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const viewer = useViewer();
  const changing = useMutation(trpc.conversations.change.mutationOptions());
  const consenting = useMutation(trpc.conversations.setConsent.mutationOptions());
  const { id: conversationId, systemPrompt, sampling, bestOf, consent } = conversation;

  const save = async (settings: ChatSettings) => {
    try {
      await changing.mutateAsync({
        conversationId,
        systemPrompt: settings.systemPrompt,
        sampling: settings.sampling,
        ...(settings.bestOf !== undefined && { bestOf: settings.bestOf }),
      });
      if (settings.consent !== undefined && settings.consent !== consent) {
        await consenting.mutateAsync({ conversationId, consent: settings.consent });
      }
      await queries.invalidateQueries({ queryKey: trpc.conversations.get.queryKey({ conversationId }) });
      return true;
    } catch (error) {
      toast({ text: errorText(error), isError: true });
      return false;
    }
  };

  return (
    <SettingsDialog
      open={open}
      onOpenChange={onOpenChange}
      settings={{ systemPrompt, sampling, bestOf, consent }}
      accountConsent={viewer.consent}
      onSave={save}
    />
  );
}
