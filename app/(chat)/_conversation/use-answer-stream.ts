/** @file Watches one answer in the making; picks up after a reload, in a second tab, and after a lost connection. */
"use client";

import { useQueryClient } from "@tanstack/react-query";
import { useSubscription } from "@trpc/tanstack-react-query";
import { useEffect, useRef, useState } from "react";
import type { AnswerUpdate, Message } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { useIsPageVisible } from "@/app/_lib/use-is-page-visible";

export type WatchedAnswer = {
  text: string;
  status: "queued" | "streaming";
  /** Place in the queue, 1 = next; null when unknown or not waiting. */
  position: number | null;
  droppedTurns: number;
  cutCharacters: number;
  /** Of several answers, of which the best will be shown; null where there is one. */
  progress: { written: number; of: number } | null;
};

/** Screens show no more than this; each update parses markdown. */
const flushEveryMs = 40;
const reconnectAfterMs = [1_000, 2_000, 4_000, 8_000];

export function isUnfinished(message: Message): boolean {
  return message.role === "assistant" && (message.status === "queued" || message.status === "streaming");
}

/**
 * @param message the answer to watch; null, or one that has ended, watches nothing
 * @param onEnded gets the message as stored, its status final
 */
export function useAnswerStream(message: Message | null, onEnded: (message: Message) => void) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const isVisible = useIsPageVisible();
  const answer = message && isUnfinished(message) ? message : null;
  const messageId = answer?.id ?? null;
  const [watched, setWatched] = useState<(WatchedAnswer & { id: string }) | null>(null);
  const [isConnected, setIsConnected] = useState(true);
  const failures = useRef(0);
  const waiting = useRef<AnswerUpdate[]>([]);

  const flush = useRef(() => {});
  flush.current = () => {
    if (!answer || waiting.current.length === 0) return;
    const updates = waiting.current;
    waiting.current = [];
    const start = { id: answer.id, ...startOf(answer) };
    setWatched((now) => updates.reduce(applyUpdate, now?.id === answer.id ? now : start));
  };

  useEffect(() => {
    if (messageId === null) return;
    setIsConnected(true);
    const timer = setInterval(() => flush.current(), flushEveryMs);
    return () => {
      clearInterval(timer);
      waiting.current = [];
    };
  }, [messageId]);

  const subscription = useSubscription(
    trpc.chat.stream.subscriptionOptions(
      { messageId: messageId ?? "" },
      {
        // Hidden tabs hold no connection; coming back begins with all text so far.
        enabled: messageId !== null && isVisible,
        onData: ({ data: update }) => {
          failures.current = 0;
          setIsConnected(true);
          if (update.type === "ended") {
            waiting.current = [];
            onEnded(update.message);
          } else waiting.current.push(update);
        },
        onConnectionStateChange: ({ state, error }) => {
          if (state === "pending") setIsConnected(true);
          if (state === "connecting" && error) setIsConnected(false);
        },
        // A refused connection (a proxy whose server is away) is not retried by the browser: done here.
        onError: () => {
          setIsConnected(false);
          const delay = reconnectAfterMs[Math.min(failures.current, reconnectAfterMs.length - 1)];
          failures.current += 1;
          setTimeout(() => {
            subscription.reset();
            void queries.invalidateQueries({ queryKey: trpc.conversations.get.pathKey() });
          }, delay);
        },
      },
    ),
  );

  const current = watched && watched.id === messageId ? watched : null;
  return {
    watched: answer && (current ?? startOf(answer)),
    isConnected: isConnected || !answer,
  };
}

function startOf(message: Message): WatchedAnswer {
  return {
    text: message.content,
    status: message.status === "streaming" ? "streaming" : "queued",
    position: null,
    droppedTurns: message.droppedTurns,
    cutCharacters: message.cutCharacters,
    progress: null,
  };
}

function applyUpdate<W extends WatchedAnswer>(now: W, update: AnswerUpdate): W {
  switch (update.type) {
    case "snapshot":
      return {
        ...now,
        text: update.text,
        status: update.status,
        position: update.position,
        droppedTurns: update.droppedTurns,
        cutCharacters: update.cutCharacters,
        progress: update.progress,
      };
    case "drafts":
      return { ...now, progress: { written: update.written, of: update.of } };
    case "queued":
      return { ...now, status: "queued", position: update.position };
    case "started":
      return {
        ...now,
        status: "streaming",
        position: null,
        droppedTurns: update.droppedTurns,
        cutCharacters: update.cutCharacters,
      };
    case "delta":
      return { ...now, status: "streaming", position: null, text: now.text + update.text };
    case "ended":
      return now;
  }
}
