/** @file All chat pages: for signed-in people, with their conversations beside the page. */
import type { ReactNode } from "react";
import { requireViewer, serverCaller } from "../_lib/server-caller";
import { ChatFrame } from "./_frame/chat-frame";

export default async function ChatLayout({ children }: { children: ReactNode }) {
  const viewer = await requireViewer();
  const caller = await serverCaller();
  return (
    <ChatFrame viewer={viewer} firstPage={await caller.conversations.list({})}>
      {children}
    </ChatFrame>
  );
}
