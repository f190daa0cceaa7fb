/** @file What holds for everybody here: name, sign-up, retention, default instructions and sampling. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { TextArea, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { SamplingFields } from "@/app/_components/sampling-fields";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { InstanceSettings, Sampling } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";

const signUpChoices: { value: InstanceSettings["signUp"]; label: string; text: string }[] = [
  { value: "open", label: "Open", text: "Anyone who reaches this server can make an account." },
  { value: "invite", label: "By invitation", text: "Whoever has a link from an admin." },
  { value: "closed", label: "Closed", text: "Nobody new, not even by a link made earlier." },
];

const defaultRetentionDays = 90;

type SettingsViewProps = { initialSettings: InstanceSettings; builtInSampling: Sampling };

export function SettingsView({ initialSettings, builtInSampling }: SettingsViewProps) {
  const trpc = useTRPC();
  const toast = useToast();
  const [settings, setSettings] = useState(initialSettings);
  const saving = useMutation(
    trpc.settings.change.mutationOptions({
      onSuccess: (saved) => {
        setSettings(saved);
        toast({ text: "Settings saved." });
      },
    }),
  );
  const change = (part: Partial<InstanceSettings>) => setSettings({ ...settings, ...part });

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        saving.mutate(settings);
      }}
    >
      <PageTitle>Settings</PageTitle>
      <Section title="This server">
        <div className="max-w-sm">
          <TextField
            label="Name"
            hint="Shown where people sign in."
            required
            maxLength={60}
            value={settings.instanceName}
            onChange={(event) => change({ instanceName: event.target.value })}
          />
        </div>
      </Section>
      <Section title="New accounts">
        <fieldset className="space-y-2">
          <legend className="sr-only">Who can make an account</legend>
          {signUpChoices.map(({ value, label, text }) => (
            <label key={value} className="flex items-start gap-2.5">
              <input
                type="radio"
                name="signUp"
                className="mt-1.5"
                checked={settings.signUp === value}
                onChange={() => change({ signUp: value })}
              />
              <span>
                {label}
                <span className="block text-small text-muted">{text}</span>
              </span>
            </label>
          ))}
        </fieldset>
      </Section>
      <Section title="Retention">
        <div className="max-w-[38rem] space-y-4">
          <Switch
            label="Delete conversations that nobody touched for a while"
            hint="Off: they are kept until their owner deletes them. On: they are gone for good, without undo, after the days below."
            checked={settings.retentionDays !== null}
            onChange={(checked) => change({ retentionDays: checked ? defaultRetentionDays : null })}
          />
          {settings.retentionDays !== null && (
            <div className="max-w-40">
              <TextField
                label="Days"
                type="number"
                required
                min={1}
                max={3650}
                step={1}
                value={Number.isNaN(settings.retentionDays) ? "" : settings.retentionDays}
                onChange={(event) => change({ retentionDays: event.target.valueAsNumber })}
              />
            </div>
          )}
        </div>
      </Section>
      <Section
        title="Default system prompt"
        text="What the policy is told before every conversation that has no system prompt of its own."
      >
        <div className="max-w-[38rem]">
          <TextArea
            label="System prompt"
            rows={4}
            maxLength={20_000}
            value={settings.defaultSystemPrompt}
            onChange={(event) => change({ defaultSystemPrompt: event.target.value })}
          />
        </div>
      </Section>
      <Section title="Default sampling" text="What holds where a conversation sets nothing else.">
        <div className="max-w-[38rem]">
          <SamplingFields
            defaults={builtInSampling}
            overrides={settings.defaultSampling}
            onChange={(defaultSampling) => change({ defaultSampling })}
          />
        </div>
      </Section>
      <div className="mt-10 space-y-3">
        {saving.error && <Notice tone="error">{errorText(saving.error)}</Notice>}
        <Button type="submit" look="primary" busy={saving.isPending}>
          Save settings
        </Button>
      </div>
    </form>
  );
}
