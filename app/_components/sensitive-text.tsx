/** @file Text that may be hard to read, shown once it is asked for. Give it a key: another text is covered anew. */
"use client";

import { type ReactNode, useState } from "react";
import { Button } from "./button";

export function SensitiveText({ isSensitive, children }: { isSensitive: boolean; children: ReactNode }) {
  const [isShown, setIsShown] = useState(!isSensitive);
  if (isShown) return children;
  return (
    <div className="max-w-[38rem] rounded-md bg-sunken p-4">
      <p className="text-muted">
        This is marked as sensitive: it may be sexual, violent or otherwise hard to read.
      </p>
      <Button className="mt-3" onClick={() => setIsShown(true)}>
        Show it
      </Button>
    </div>
  );
}
