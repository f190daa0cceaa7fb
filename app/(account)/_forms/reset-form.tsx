/** @file The form behind a reset link. */
"use client";

import { PasswordField } from "@/app/_components/password-field";
import { errorText } from "@/app/_lib/error-text";
import { useTRPCClient } from "@/app/_lib/trpc";
import { SubmitForm } from "./submit-form";

export function ResetForm({ token }: { token: string }) {
  const client = useTRPCClient();
  return (
    <SubmitForm
      action="Set the new password"
      onSubmit={async ({ password = "" }) => {
        try {
          await client.account.resetPassword.mutate({ token, password });
        } catch (error) {
          return errorText(error);
        }
        location.assign("/sign-in?told=password-changed");
        return null;
      }}
    >
      <PasswordField label="New password" name="password" isNew />
    </SubmitForm>
  );
}
