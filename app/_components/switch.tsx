/** @file A switch with its label and one sentence saying what it changes. */
"use client";

import { type ReactNode, useId } from "react";
import { classNames } from "./class-names";

type SwitchProps = {
  label: string;
  hint?: ReactNode;
  checked: boolean;
  disabled?: boolean;
  onChange: (checked: boolean) => void;
};

/** A plain button: the library's switch renders an inline style on the server, which the security policy refuses. */
export function Switch({ label, hint, checked, disabled, onChange }: SwitchProps) {
  const id = useId();
  return (
    <div className="flex items-start justify-between gap-4">
      <div>
        <label htmlFor={id} className="font-medium">
          {label}
        </label>
        {hint && (
          <p id={`${id}-hint`} className="text-small text-muted">
            {hint}
          </p>
        )}
      </div>
      <button
        type="button"
        role="switch"
        id={id}
        aria-checked={checked}
        aria-describedby={hint ? `${id}-hint` : undefined}
        disabled={disabled}
        onClick={() => onChange(!checked)}
        className="group mt-0.5 h-6 w-10 shrink-0 rounded-full border border-control bg-hover transition-colors duration-100 aria-checked:border-accent aria-checked:bg-accent disabled:opacity-50"
      >
        <span
          className={classNames(
            "block size-4 transition-transform duration-100 rounded-full",
            checked ? "translate-x-[19px] bg-on-accent" : "translate-x-[3px] bg-muted",
          )}
        />
      </button>
    </div>
  );
}
