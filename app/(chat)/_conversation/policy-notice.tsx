/** @file Told above a chat while it holds: the policy is a toy, is being loaded, or cannot answer. */
"use client";

import { Notice } from "@/app/_components/notice";
import { usePolicy } from "./use-policy";

export function PolicyNotice() {
  const policy = usePolicy();
  if (!policy) return null;
  const { isToy, state, problem } = policy;
  const isAway = state === "failed" || state === "restarting";
  if (!isToy && !isAway && state !== "loading") return null;
  return (
    <div className="mx-auto w-full max-w-[38rem] px-4">
      {isAway ? (
        <Notice tone="warning">
          The policy cannot answer right now. {problem} Conversations are safe; it is being restarted.
        </Notice>
      ) : state === "loading" ? (
        <Notice>The policy is being loaded. You can write already; the first answer waits for it.</Notice>
      ) : (
        <Notice tone="warning">
          A toy answers here: no real model could be fetched, so a tiny one stands in. Its answers show how
          Attune works, not what is true. An admin can fetch a real one with{" "}
          <code className="font-mono">npx attune models pull</code>.
        </Notice>
      )}
    </div>
  );
}
