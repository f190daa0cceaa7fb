/** @file The start page: a new conversation. */
import type { Metadata } from "next";
import { NewConversation } from "./_conversation/new-conversation";

export const metadata: Metadata = { title: "New conversation" };

export default function NewConversationPage() {
  return <NewConversation />;
}
