/** @file Signing in with email and password. */
"use client";

import { TextField } from "@/app/_components/field";
import { PasswordField } from "@/app/_components/password-field";
import { signIn } from "@/app/_lib/auth-client";
import { SubmitForm } from "./submit-form";

export function SignInForm({ nextPath }: { nextPath: string }) {
  return (
    <SubmitForm
      action="Sign in"
      onSubmit={async ({ email = "", password = "" }) => {
        const refusal = await signIn(email, password);
        // A full load, so that every page is made for this person.
        if (refusal === null) location.assign(nextPath);
        return refusal;
      }}
    >
      <TextField label="Email" name="email" type="email" autoComplete="username" required maxLength={254} />
      <PasswordField name="password" />
    </SubmitForm>
  );
}
