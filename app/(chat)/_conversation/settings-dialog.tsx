/** @file The settings of a conversation: instructions, sampling, and whether it may be used. Shared by all kinds of chat. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { SelectField, TextArea } from "@/app/_components/field";
import { SamplingFields } from "@/app/_components/sampling-fields";
import type { SamplingOverrides } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { useDefaultSampling } from "./use-policy";

/** The bound of server/domain/conversations; the server checks it again. */
const maxSystemPromptCharacters = 20_000;

export type ChatSettings = {
  systemPrompt: string;
  sampling: SamplingOverrides;
  /** So many answers are written to each question. Undefined where nothing is stored. */
  bestOf?: number;
  /** null: the account's answer holds. Undefined where nothing is stored and so nothing can be used. */
  consent?: boolean | null;
};

type SettingsDialogProps = {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  settings: ChatSettings;
  /** The account's answer to the consent question. */
  accountConsent: boolean;
  /** Resolves to whether the settings were taken; the dialog then closes. */
  onSave: (settings: ChatSettings) => Promise<boolean> | boolean;
};

export function SettingsDialog(props: SettingsDialogProps) {
  const { open, onOpenChange } = props;
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title="Settings of this conversation"
      description="They hold for the answers that follow."
      wide
    >
      <SettingsForm {...props} />
    </Dialog>
  );
}

/** Mounted anew each time the dialog opens, so it begins from what is stored. */
function SettingsForm({ settings, accountConsent, onSave, onOpenChange }: SettingsDialogProps) {
  const [draft, setDraft] = useState(settings);
  const [isSaving, setIsSaving] = useState(false);
  const defaults = useDefaultSampling();

  return (
    <form
      className="space-y-6"
      onSubmit={async (event) => {
        event.preventDefault();
        setIsSaving(true);
        const isTaken = await onSave(draft);
        setIsSaving(false);
        if (isTaken) onOpenChange(false);
      }}
    >
      <TextArea
        label="System prompt"
        hint="Instructions the policy reads before everything else, such as “Answer in one sentence”."
        rows={4}
        maxLength={maxSystemPromptCharacters}
        value={draft.systemPrompt}
        onChange={(event) => setDraft({ ...draft, systemPrompt: event.target.value })}
      />
      {draft.consent !== undefined && (
        <ConsentChoice
          consent={draft.consent}
          accountConsent={accountConsent}
          onChange={(consent) => setDraft({ ...draft, consent })}
        />
      )}
      {draft.bestOf !== undefined && (
        <BestOfChoice bestOf={draft.bestOf} onChange={(bestOf) => setDraft({ ...draft, bestOf })} />
      )}
      <details className="group">
        <summary className="font-medium">
          Sampling{" "}
          <span className="font-normal text-muted">
            ·{" "}
            {Object.keys(draft.sampling).length === 0
              ? "all at default"
              : `${Object.keys(draft.sampling).length} changed`}
          </span>
        </summary>
        <div className="mt-3">
          {defaults && (
            <SamplingFields
              defaults={defaults}
              overrides={draft.sampling}
              onChange={(sampling) => setDraft({ ...draft, sampling })}
            />
          )}
        </div>
      </details>
      <div className="flex gap-2">
        <Button type="submit" look="primary" busy={isSaving}>
          Save settings
        </Button>
        <Button look="quiet" onClick={() => onOpenChange(false)}>
          Cancel
        </Button>
      </div>
    </form>
  );
}

/** Nothing where no reward model is in use, unless it was asked for before. */
function BestOfChoice({ bestOf, onChange }: { bestOf: number; onChange: (bestOf: number) => void }) {
  const trpc = useTRPC();
  const { data: isOffered = false } = useQuery(trpc.chat.offersBestOf.queryOptions());
  if (!isOffered && bestOf === 1) return null;
  return (
    <SelectField
      label="Answers to each question"
      hint={
        isOffered
          ? "Of several, the one that this server’s reward model scores highest is shown. It takes longer, and the text comes at once."
          : "No reward model can compare them at present, so one answer is written."
      }
      value={bestOf}
      onChange={({ target }) => onChange(Number(target.value))}
    >
      <option value={1}>one</option>
      {[2, 3, 4, 5, 6, 7, 8].map((count) => (
        <option key={count} value={count}>
          the best of {count}
        </option>
      ))}
    </SelectField>
  );
}

type ConsentChoiceProps = {
  consent: boolean | null;
  accountConsent: boolean;
  onChange: (consent: boolean | null) => void;
};

function ConsentChoice({ consent, accountConsent, onChange }: ConsentChoiceProps) {
  const choices: { value: boolean | null; label: string }[] = [
    { value: null, label: `As my account says (${accountConsent ? "may be used" : "not used"})` },
    { value: true, label: "May be used" },
    { value: false, label: "Not used" },
  ];
  return (
    <fieldset>
      <legend className="mb-1 font-medium">Use this conversation to improve the assistant?</legend>
      {choices.map(({ value, label }) => (
        <label key={label} className="flex min-h-8 items-center gap-2">
          <input type="radio" name="consent" checked={consent === value} onChange={() => onChange(value)} />
          {label}
        </label>
      ))}
      <p className="text-small text-muted">A change of mind takes it out of everything made from then on.</p>
    </fieldset>
  );
}
