/** @file Copies a text and says so, to eyes and screen readers. */
"use client";

import { useEffect, useState } from "react";
import { Button, IconButton } from "./button";

type CopyButtonProps = {
  text: string | (() => string);
  label: string;
  withText?: boolean;
  className?: string;
};

export function CopyButton({ text, label, withText, className }: CopyButtonProps) {
  const [outcome, setOutcome] = useState<"copied" | "refused" | null>(null);

  useEffect(() => {
    if (!outcome) return;
    const timer = setTimeout(() => setOutcome(null), 2_000);
    return () => clearTimeout(timer);
  }, [outcome]);

  const copy = async () => {
    try {
      // Browsers offer the clipboard only on https and on this machine.
      await navigator.clipboard.writeText(typeof text === "function" ? text() : text);
      setOutcome("copied");
    } catch {
      setOutcome("refused");
    }
  };

  const said = outcome === "copied" ? "Copied" : outcome === "refused" ? "The browser refused to copy" : "";
  return (
    <>
      {withText ? (
        <Button small onClick={copy} className={className}>
          {said || label}
        </Button>
      ) : (
        <IconButton
          icon={outcome === "copied" ? "check" : "copy"}
          label={said || label}
          size={16}
          onClick={copy}
          className={className}
        />
      )}
      <span role="status" className="sr-only">
        {said}
      </span>
    </>
  );
}
