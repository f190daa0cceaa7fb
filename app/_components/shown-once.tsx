/** @file A secret that nobody can read again: shown, copied, gone. */
"use client";

import { Button } from "./button";
import { CopyButton } from "./copy-button";
import { inputClass } from "./field";

type ShownOnceProps = { label: string; secret: string; note?: string; onDone: () => void };

export function ShownOnce({ label, secret, note, onDone }: ShownOnceProps) {
  return (
    <div className="space-y-3">
      <label className="block">
        <span className="font-medium">{label}</span>
        <input
          readOnly
          value={secret}
          onFocus={(event) => event.target.select()}
          className={`mt-1 font-mono text-small ${inputClass}`}
        />
      </label>
      <p className="text-small text-muted">Copy it now: it is shown this once and stored nowhere. {note}</p>
      <div className="flex gap-2">
        <CopyButton text={secret} label="Copy" withText />
        <Button small look="quiet" onClick={onDone}>
          Done
        </Button>
      </div>
    </div>
  );
}
