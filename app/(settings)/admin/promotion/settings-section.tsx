/** @file Which gates are asked for, with their limits, when a policy is taken back by itself, and what becomes of old tasks. */
"use client";

import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { inputClass, SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { ChannelSettings } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { useDecision } from "./use-decision";

const retiredChoices = [
  ["keep", "stay as they are"],
  ["close", "are closed"],
  ["resample", "are sampled anew from what is live"],
] as const;

type Gates = ChannelSettings["gates"];
type Limit = { label: string; value: number; step: number; set: (value: number) => Partial<Gates> };

/** Shares are shown as percent. */
const percent = (value: number) => Math.round(value * 1000) / 10;

const gateRows: { gate: keyof Gates; label: string; hint?: string; limit?: (gates: Gates) => Limit }[] = [
  { gate: "winRate", label: "Win rate above 50 %, lower bound" },
  {
    gate: "judgments",
    label: "Judgments",
    limit: ({ judgments }) => ({
      label: "At least",
      value: judgments.least,
      step: 1,
      set: (least) => ({ judgments: { ...judgments, least } }),
    }),
  },
  {
    gate: "worstSlice",
    label: "Worst slice",
    limit: ({ worstSlice }) => ({
      label: "Lower bound, at least (%)",
      value: percent(worstSlice.floor),
      step: 0.1,
      set: (value) => ({ worstSlice: { ...worstSlice, floor: value / 100 } }),
    }),
  },
  { gate: "heldOut", label: "Held-out group agrees" },
  {
    gate: "tax",
    label: "Tax of the suites",
    limit: ({ tax }) => ({
      label: "Most lost points",
      value: percent(tax.mostLoss),
      step: 0.1,
      set: (value) => ({ tax: { ...tax, mostLoss: value / 100 } }),
    }),
  },
  {
    gate: "flags",
    label: "Flags",
    limit: ({ flags }) => ({
      label: "Most risen points",
      value: percent(flags.mostRise),
      step: 0.1,
      set: (value) => ({ flags: { ...flags, mostRise: value / 100 } }),
    }),
  },
  {
    gate: "regressions",
    label: "Regression cases",
    hint: "Asked for once one is pinned.",
    limit: ({ regressions }) => ({
      label: "Most that fail, and not with the live policy",
      value: regressions.mostFailed,
      step: 1,
      set: (mostFailed) => ({ regressions: { ...regressions, mostFailed } }),
    }),
  },
  { gate: "parity", label: "Parity of trainer and server" },
  {
    gate: "approval",
    label: "Approval by other admins",
    limit: ({ approval }) => ({
      label: "How many",
      value: approval.approvals,
      step: 1,
      set: (approvals) => ({ approval: { ...approval, approvals } }),
    }),
  },
];

type SettingsSectionProps = { settings: ChannelSettings; mayDecide: boolean };

export function SettingsSection({ settings: saved, mayDecide }: SettingsSectionProps) {
  const trpc = useTRPC();
  const toast = useToast();
  const { refresh } = useDecision();
  const [draft, setDraft] = useState<ChannelSettings | null>(null);
  const settings = draft ?? saved;
  const saving = useMutation(
    trpc.promotion.changeSettings.mutationOptions({
      onSuccess: async () => {
        toast({ text: "Saved." });
        await refresh();
        setDraft(null);
      },
    }),
  );
  const changeGates = (part: Partial<Gates>) =>
    setDraft({ ...settings, gates: { ...settings.gates, ...part } });
  return (
    <Section title="Gates and limits" text="Every change is recorded in the audit log.">
      <form
        className="max-w-[38rem] space-y-3"
        onSubmit={(event) => {
          event.preventDefault();
          saving.mutate(settings);
        }}
      >
        {gateRows.map(({ gate, label, hint, limit }) => (
          <div key={gate} className="space-y-1">
            <Switch
              label={label}
              hint={hint}
              checked={settings.gates[gate].isOn}
              disabled={!mayDecide}
              onChange={(isOn) => changeGates({ [gate]: { ...settings.gates[gate], isOn } })}
            />
            {limit && settings.gates[gate].isOn && (
              <LimitField
                {...limit(settings.gates)}
                name={label}
                isFixed={!mayDecide}
                onChange={changeGates}
              />
            )}
          </div>
        ))}
        <Switch
          label="Take a policy back by itself"
          hint="A canary, and a newly promoted policy for two days, where thumbs, errors or time a token get worse."
          checked={settings.watch.isOn}
          disabled={!mayDecide}
          onChange={(isOn) => setDraft({ ...settings, watch: { ...settings.watch, isOn } })}
        />
        <div className="max-w-xs">
          <SelectField
            label="Ranking tasks of retired policies"
            hint="After a promotion; those that nobody has begun."
            value={settings.retiredTasks}
            disabled={!mayDecide}
            onChange={({ target }) =>
              setDraft({
                ...settings,
                retiredTasks: retiredChoices.find(([it]) => it === target.value)?.[0] ?? "keep",
              })
            }
          >
            {retiredChoices.map(([choice, words]) => (
              <option key={choice} value={choice}>
                {words}
              </option>
            ))}
          </SelectField>
        </div>
        {saving.error && <Notice tone="error">{errorText(saving.error)}</Notice>}
        {mayDecide && (
          <Button type="submit" busy={saving.isPending} disabled={draft === null}>
            Save
          </Button>
        )}
      </form>
    </Section>
  );
}

type LimitFieldProps = Limit & { name: string; isFixed: boolean; onChange: (part: Partial<Gates>) => void };

function LimitField({ label, name, value, step, set, isFixed, onChange }: LimitFieldProps) {
  return (
    <label className="flex items-center gap-3 text-small text-muted">
      {label}
      <input
        type="number"
        aria-label={`${name}: ${label}`}
        className={`${inputClass} max-w-24`}
        min={0}
        step={step}
        disabled={isFixed}
        defaultValue={value}
        onChange={({ target }) =>
          Number.isFinite(target.valueAsNumber) && onChange(set(target.valueAsNumber))
        }
      />
    </label>
  );
}
