/** @file Keeps the draft of one task on the server: soon after each change, at once when the page goes out of sight. */
"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { errorCode, errorText } from "@/app/_lib/error-text";
import { useTRPCClient } from "@/app/_lib/trpc";
import type { Draft } from "@/server/domain/labeling/task-schema";

const restMs = 800;
const retryMs = 5_000;

/** lost: another page went on with the task, or it is gone; `text` says which. */
export type SavingState = { status: "saved" | "unsaved" | "failed" } | { status: "lost"; text: string };

type Saving = { claimId: string; draftVersion: number; draft: Draft; readActiveMs: () => number };

/** One save is on its way at a time, as each names the version it follows. `stop` before the task is submitted. */
export function useDraftSaving({ claimId, draftVersion, draft, readActiveMs }: Saving) {
  const client = useTRPCClient();
  const [state, setState] = useState<SavingState>({ status: "saved" });
  const latest = useRef(draft);
  const version = useRef(draftVersion);
  const savedText = useRef(JSON.stringify(draft));
  const isBusy = useRef(false);
  const isStopped = useRef(false);

  const save = useCallback(async () => {
    if (isBusy.current || isStopped.current) return;
    isBusy.current = true;
    try {
      for (;;) {
        const sent = latest.current;
        const text = JSON.stringify(sent);
        if (text === savedText.current || isStopped.current) break;
        const saved = await client.labeling.saveDraft.mutate({
          claimId,
          draft: sent,
          draftVersion: version.current,
          activeMs: readActiveMs(),
        });
        version.current = saved.draftVersion;
        savedText.current = text;
      }
      setState({ status: "saved" });
    } catch (error) {
      if (isStopped.current) return;
      const isLost = ["CONFLICT", "NOT_FOUND"].includes(errorCode(error) ?? "");
      if (isLost) isStopped.current = true;
      setState(isLost ? { status: "lost", text: errorText(error) } : { status: "failed" });
    } finally {
      isBusy.current = false;
    }
  }, [client, claimId, readActiveMs]);

  useEffect(() => {
    latest.current = draft;
    if (JSON.stringify(draft) === savedText.current || isStopped.current) return;
    setState((now) => (now.status === "failed" ? now : { status: "unsaved" }));
    const timer = setTimeout(() => void save(), restMs);
    return () => clearTimeout(timer);
  }, [draft, save]);

  useEffect(() => {
    if (state.status !== "failed") return;
    const timer = setInterval(() => void save(), retryMs);
    return () => clearInterval(timer);
  }, [state.status, save]);

  useEffect(() => {
    const onHide = () => document.visibilityState === "hidden" && void save();
    const onLeave = () => void save();
    document.addEventListener("visibilitychange", onHide);
    addEventListener("pagehide", onLeave);
    return () => {
      document.removeEventListener("visibilitychange", onHide);
      removeEventListener("pagehide", onLeave);
      // Within the product one leaves without hiding the page.
      void save();
    };
  }, [save]);

  return useMemo(
    () => ({
      state,
      stop: () => {
        isStopped.current = true;
      },
      resume: () => {
        isStopped.current = false;
        void save();
      },
    }),
    [state, save],
  );
}
