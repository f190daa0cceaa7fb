/** @file One conversation. */
import type { Metadata } from "next";
import { notFound } from "next/navigation";
import { cache } from "react";
import { isNotFound } from "@/app/_lib/not-found-error";
import { serverCaller } from "@/app/_lib/server-caller";
import { ConversationView } from "../../_conversation/conversation-view";

type PageProps = {
  params: Promise<{ conversationId: string }>;
  searchParams: Promise<{ message?: string | string[] }>;
};

const readTree = cache(async (conversationId: string) => {
  const caller = await serverCaller();
  try {
    return await caller.conversations.get({ conversationId });
  } catch (error) {
    if (isNotFound(error)) notFound();
    throw error;
  }
});

export async function generateMetadata({ params }: PageProps): Promise<Metadata> {
  const { conversation } = await readTree((await params).conversationId);
  return { title: conversation.title || "New conversation" };
}

export default async function ConversationPage({ params, searchParams }: PageProps) {
  const tree = await readTree((await params).conversationId);
  const { message } = await searchParams;
  return (
    <ConversationView
      key={tree.conversation.id}
      initialTree={tree}
      focusMessageId={typeof message === "string" ? message : null}
    />
  );
}
