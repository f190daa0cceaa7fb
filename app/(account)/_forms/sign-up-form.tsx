/** @file Name, address and password of a new account; signs in with them right away. */
"use client";

import { TextField } from "@/app/_components/field";
import { PasswordField } from "@/app/_components/password-field";
import { signIn } from "@/app/_lib/auth-client";
import { errorText } from "@/app/_lib/error-text";
import { useTRPCClient } from "@/app/_lib/trpc";
import { SubmitForm } from "./submit-form";

type SignUpFormProps = {
  /** Of an invitation or the set-up link; null where sign-up is open. */
  token: string | null;
  /** The address an invitation is bound to. */
  email: string | null;
  action: string;
};

export function SignUpForm({ token, email: invitedEmail, action }: SignUpFormProps) {
  const client = useTRPCClient();
  return (
    <SubmitForm
      action={action}
      onSubmit={async ({ name = "", email = "", password = "" }) => {
        try {
          await client.account.signUp.mutate({ name, email, password, token });
        } catch (error) {
          return errorText(error);
        }
        // The account exists: if signing in fails now, the sign-in page is the place to try again.
        const refusal = await signIn(email, password);
        location.assign(refusal === null ? "/" : "/sign-in");
        return null;
      }}
    >
      <TextField label="Name" name="name" autoComplete="name" required maxLength={100} />
      <TextField
        label="Email"
        name="email"
        type="email"
        autoComplete="username"
        required
        maxLength={200}
        defaultValue={invitedEmail ?? undefined}
        readOnly={invitedEmail !== null}
        hint={invitedEmail ? "The invitation is for this address." : "For signing in. No mail is sent."}
      />
      <PasswordField name="password" isNew />
    </SubmitForm>
  );
}
