/** @file Everything one has here: as a file to keep, or gone for good. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { buttonClass } from "@/app/_components/button-class";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Icon } from "@/app/_components/icon";
import { Notice } from "@/app/_components/notice";
import type { Profile } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { forgetDrafts } from "@/app/_lib/use-draft";
import { Section } from "../_frame/section";

export function DataSection({ profile }: { profile: Profile }) {
  const [isDeleting, setIsDeleting] = useState(false);
  return (
    <Section title="Your data" text="Profile, conversations, feedback, keys and consent, as one JSON file.">
      <div className="flex flex-wrap gap-2">
        <a href="/api/account/export" download className={buttonClass("plain")}>
          <Icon name="download" size={16} />
          Export everything
        </a>
        <Button look="danger" onClick={() => setIsDeleting(true)}>
          Delete the account
        </Button>
      </div>
      {isDeleting && <DeleteDialog profile={profile} onClose={() => setIsDeleting(false)} />}
    </Section>
  );
}

function DeleteDialog({ profile, onClose }: { profile: Profile; onClose: () => void }) {
  const trpc = useTRPC();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const deleting = useMutation(
    trpc.account.delete.mutationOptions({
      onSuccess: () => {
        forgetDrafts();
        location.assign("/sign-in?told=account-deleted");
      },
    }),
  );
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title="Delete the account"
      description="All conversations, feedback, keys and sessions go with it, for good. Datasets made earlier lose your rows. Nobody can bring them back."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          deleting.mutate({ password });
        }}
      >
        <TextField
          label={`Your name (${profile.name}), to confirm`}
          autoComplete="off"
          required
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        {profile.hasPassword && (
          <TextField
            label="Password"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
        {deleting.error && <Notice tone="error">{errorText(deleting.error)}</Notice>}
        <Button
          type="submit"
          look="danger"
          disabled={name.trim() !== profile.name}
          busy={deleting.isPending || deleting.isSuccess}
        >
          Delete everything
        </Button>
      </form>
    </Dialog>
  );
}
