/** @file Signs out, and takes the drafts kept in this browser along. */
"use client";

import { useState } from "react";
import { signOut } from "../_lib/auth-client";
import { forgetDrafts } from "../_lib/use-draft";
import { useToast } from "./toast";

export function SignOutButton({ className }: { className?: string }) {
  const toast = useToast();
  const [isBusy, setIsBusy] = useState(false);

  const leave = async () => {
    setIsBusy(true);
    const refusal = await signOut();
    setIsBusy(false);
    if (refusal) {
      toast({ text: refusal, isError: true });
      return;
    }
    forgetDrafts();
    // A full load, so that nothing of this person stays in memory.
    location.assign("/sign-in");
  };

  return (
    <button type="button" disabled={isBusy} onClick={() => void leave()} className={className}>
      Sign out
    </button>
  );
}
