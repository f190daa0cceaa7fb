/** @file Name and address. A new address asks for the password, as it is what one signs in with. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { Profile } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../_frame/section";

const roleNames: Record<Profile["role"], string> = { user: "User", labeler: "Labeler", admin: "Admin" };
const grantNames: Record<Profile["grants"][number], string> = {
  labelingLead: "labeling lead",
  auditor: "auditor",
};

export function ProfileSection({ profile }: { profile: Profile }) {
  const trpc = useTRPC();
  const router = useRouter();
  const toast = useToast();
  const [name, setName] = useState(profile.name);
  const [email, setEmail] = useState(profile.email);
  const [password, setPassword] = useState("");
  const renaming = useMutation(trpc.account.rename.mutationOptions());
  const moving = useMutation(trpc.account.changeEmail.mutationOptions());
  const isNewAddress = email.trim().toLowerCase() !== profile.email;
  const isChanged = isNewAddress || name.trim() !== profile.name;
  const error = renaming.error ?? moving.error;

  const save = async () => {
    renaming.reset();
    moving.reset();
    try {
      if (name.trim() !== profile.name) await renaming.mutateAsync({ name });
      if (isNewAddress) await moving.mutateAsync({ email: email.trim(), password });
    } catch {
      return; // said below the fields
    }
    setPassword("");
    toast({ text: "Profile saved." });
    router.refresh();
  };

  return (
    <Section
      title="Profile"
      text={[roleNames[profile.role], ...profile.grants.map((grant) => grantNames[grant])].join(", ")}
    >
      <form
        className="max-w-sm space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <TextField
          label="Name"
          autoComplete="name"
          required
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <TextField
          label="Email"
          type="email"
          autoComplete="email"
          required
          maxLength={200}
          value={email}
          onChange={(event) => setEmail(event.target.value)}
        />
        {isNewAddress && profile.hasPassword && (
          <TextField
            label="Password, to confirm the new address"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        <Button type="submit" disabled={!isChanged} busy={renaming.isPending || moving.isPending}>
          Save profile
        </Button>
      </form>
    </Section>
  );
}
