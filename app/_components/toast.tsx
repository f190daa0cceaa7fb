/** @file Short messages at the foot of the page, with "Undo" where an act can be taken back. */
"use client";

import { Toast as Primitive } from "radix-ui";
import { createContext, type ReactNode, useCallback, useContext, useState } from "react";
import { IconButton } from "./button";
import { useIsHydrated } from "./moment";

type Message = { text: string; undo?: () => void; isError?: boolean };
type ShownMessage = Message & { id: number; isOpen: boolean };

const ToastContext = createContext<(message: Message) => void>(() => {
  throw new Error("useToast needs a ToastProvider above it");
});

/** Returns a function that shows one message; an undoable one stays 10 s, as long as the server keeps the undo open. */
export function useToast() {
  return useContext(ToastContext);
}

let lastId = 0;

export function ToastProvider({ children }: { children: ReactNode }) {
  const isHydrated = useIsHydrated();
  const [messages, setMessages] = useState<ShownMessage[]>([]);

  const show = useCallback((message: Message) => {
    lastId += 1;
    const shown = { ...message, id: lastId, isOpen: true };
    setMessages((now) => [...now.filter((m) => m.isOpen).slice(-2), shown]);
  }, []);

  const close = (id: number) =>
    setMessages((now) => now.map((m) => (m.id === id ? { ...m, isOpen: false } : m)));

  return (
    <ToastContext value={show}>
      <Primitive.Provider swipeDirection="down" label="Message">
        {children}
        {messages.map((message) => (
          <Primitive.Root
            key={message.id}
            open={message.isOpen}
            onOpenChange={(open) => !open && close(message.id)}
            duration={message.undo || message.isError ? 10_000 : 4_000}
            type={message.isError ? "foreground" : "background"}
            className="flex items-center gap-3 rounded-lg bg-ink py-1.5 pr-1.5 pl-4 text-canvas shadow-float animate-appear"
          >
            <Primitive.Description className="min-w-0 grow py-1 wrap-anywhere">
              {message.text}
            </Primitive.Description>
            {message.undo && (
              <Primitive.Action
                altText="Undo"
                onClick={message.undo}
                className="rounded-md px-2.5 py-1 font-semibold underline underline-offset-4 focus-visible:outline-canvas"
              >
                Undo
              </Primitive.Action>
            )}
            <Primitive.Close asChild>
              <IconButton
                icon="close"
                label="Close message"
                className="text-canvas! hover:bg-transparent hover:opacity-80 focus-visible:outline-canvas"
              />
            </Primitive.Close>
          </Primitive.Root>
        ))}
        {/* Only in the browser: on the server it would carry inline styles, which the security policy refuses. */}
        {isHydrated && (
          <Primitive.Viewport className="fixed bottom-28 left-1/2 z-50 flex w-[min(28rem,calc(100vw-2rem))] -translate-x-1/2 flex-col gap-2 outline-none" />
        )}
      </Primitive.Provider>
    </ToastContext>
  );
}
