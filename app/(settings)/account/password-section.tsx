/** @file A new password, known the old one. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRef } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { PasswordField } from "@/app/_components/password-field";
import { useToast } from "@/app/_components/toast";
import { errorText } from "@/app/_lib/error-text";
import { formTexts } from "@/app/_lib/form-texts";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../_frame/section";

export function PasswordSection() {
  const trpc = useTRPC();
  const toast = useToast();
  const form = useRef<HTMLFormElement>(null);
  const changing = useMutation(
    trpc.account.changePassword.mutationOptions({
      onSuccess: () => {
        form.current?.reset();
        toast({ text: "Password changed. Other devices are signed out." });
      },
    }),
  );
  return (
    <Section title="Password">
      <form
        ref={form}
        className="max-w-sm space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          const { currentPassword = "", newPassword = "" } = formTexts(event.currentTarget);
          changing.mutate({ currentPassword, newPassword });
        }}
      >
        <PasswordField label="Current password" name="currentPassword" />
        <PasswordField label="New password" name="newPassword" isNew />
        {changing.error && <Notice tone="error">{errorText(changing.error)}</Notice>}
        <Button type="submit" busy={changing.isPending}>
          Change password
        </Button>
      </form>
    </Section>
  );
}
