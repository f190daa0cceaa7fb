/** @file A chat that lives in this tab only: the turns go along with every question and are stored nowhere. */
"use client";

import { useRef, useState } from "react";
import type { SamplingOverrides } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { newId } from "@/app/_lib/new-id";
import { useTRPCClient } from "@/app/_lib/trpc";
import type { AnswerStatus } from "./answer-state";

export type TemporaryTurn = {
  id: string;
  question: string;
  answer: string;
  status: AnswerStatus;
  error: string | null;
  position: number | null;
  droppedTurns: number;
  cutCharacters: number;
  checkpointName: string | null;
};

type Settings = {
  systemPrompt: string;
  sampling: SamplingOverrides;
  /** Null or left out: the live policy. */
  checkpointId?: string | null;
};

export function useTemporaryChat(settings: Settings) {
  const client = useTRPCClient();
  const [turns, setTurns] = useState<TemporaryTurn[]>([]);
  const controller = useRef<AbortController | null>(null);
  const last = turns.at(-1);
  const isAnswering = last?.status === "queued" || last?.status === "streaming";

  /** Answers the last of `history`; `continueLast` goes on with its text instead of replacing it. */
  const answer = async (history: TemporaryTurn[], continueLast: boolean) => {
    const current = history.at(-1);
    if (!current) return;
    const change = (edit: (turn: TemporaryTurn) => Partial<TemporaryTurn>) =>
      setTurns((now) => now.map((turn) => (turn.id === current.id ? { ...turn, ...edit(turn) } : turn)));

    const abort = new AbortController();
    controller.current = abort;
    setTurns([...history.slice(0, -1), { ...current, status: "queued", error: null }]);
    try {
      const updates = await client.chat.temporary.mutate(
        { messages: toMessages(history, continueLast), ...settings, continueLast },
        { signal: abort.signal },
      );
      for await (const update of updates) {
        if (update.type === "queued") change(() => ({ position: update.position }));
        if (update.type === "started") {
          const { droppedTurns, cutCharacters, checkpoint } = update;
          change(() => ({
            status: "streaming",
            droppedTurns,
            cutCharacters,
            checkpointName: checkpoint.name,
          }));
        }
        if (update.type === "delta") change(({ answer }) => ({ answer: answer + update.text }));
        if (update.type === "ended") change(() => ({ status: update.status, error: update.error }));
      }
    } catch (error) {
      const isStopped = abort.signal.aborted;
      change(() => ({
        status: isStopped ? "stopped" : "failed",
        error: isStopped ? null : errorText(error),
      }));
    }
    // However the stream went away, the turn has ended.
    change(({ status }) => (status === "queued" || status === "streaming" ? { status: "stopped" } : {}));
  };

  return {
    turns,
    isAnswering,
    send: (question: string) => answer([...turns, newTurn(question)], false),
    stop: () => controller.current?.abort(),
    again: () => last && answer([...turns.slice(0, -1), newTurn(last.question)], false),
    continueAnswer: () => answer(turns, true),
  };
}

function newTurn(question: string): TemporaryTurn {
  return {
    id: newId(),
    question,
    answer: "",
    status: "queued",
    error: null,
    position: null,
    droppedTurns: 0,
    cutCharacters: 0,
    checkpointName: null,
  };
}

function toMessages(history: TemporaryTurn[], continueLast: boolean) {
  return history.flatMap(({ question, answer }, index) => {
    const isOpen = index === history.length - 1 && !continueLast;
    const asked = { role: "user" as const, content: question };
    return isOpen || answer === "" ? [asked] : [asked, { role: "assistant" as const, content: answer }];
  });
}
