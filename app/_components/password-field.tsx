/** @file A password field that can be looked into; password managers are told what it is for. */
"use client";

import { useState } from "react";
import { TextField } from "./field";

type PasswordFieldProps = {
  label?: string;
  name: string;
  /** A password to choose, not one to remember. */
  isNew?: boolean;
  error?: string | null;
};

/** The bound of server/auth/passwords; the server checks it again. */
const minCharacters = 10;

export function PasswordField({ label = "Password", name, isNew = false, error }: PasswordFieldProps) {
  const [isShown, setIsShown] = useState(false);
  return (
    <div>
      <TextField
        label={label}
        name={name}
        type={isShown ? "text" : "password"}
        autoComplete={isNew ? "new-password" : "current-password"}
        required
        minLength={isNew ? minCharacters : undefined}
        maxLength={128}
        error={error}
        hint={
          isNew
            ? `At least ${minCharacters} characters. A few words in a row are easy to remember.`
            : undefined
        }
      />
      <label className="mt-1 inline-flex min-h-6 items-center gap-2 text-small text-muted">
        <input type="checkbox" checked={isShown} onChange={() => setIsShown(!isShown)} />
        Show {label.toLowerCase()}
      </label>
    </div>
  );
}
