/** @file How answers are sampled, in plain words: each setting says what it does, its default, and the way back to it. */
"use client";

import { useId } from "react";
import type { Sampling, SamplingOverrides } from "../_lib/api-types";
import { Button } from "./button";
import { inputClass } from "./field";

type NumberKey = "temperature" | "topP" | "minP" | "topK" | "repetitionPenalty" | "maxTokens";
type Range = { min: number; max: number; step: number };
type Setting = Range & { key: NumberKey; label: string; hint: string; off?: number };

/** Narrower than what the server allows where the rest would only produce noise. */
const settings: Setting[] = [
  {
    key: "temperature",
    label: "Temperature",
    hint: "How adventurous the choice of words is. 0 always takes the likeliest; above 1 gets wild.",
    min: 0,
    max: 2,
    step: 0.05,
  },
  {
    key: "topP",
    label: "Top-p",
    hint: "Only the likeliest words that together make up this share are considered. 1 is off.",
    min: 0.05,
    max: 1,
    step: 0.01,
  },
  {
    key: "minP",
    label: "Min-p",
    hint: "Words less likely than this share of the likeliest one are left out. 0 is off.",
    min: 0,
    max: 0.5,
    step: 0.01,
  },
  {
    key: "topK",
    label: "Top-k",
    hint: "Only this many of the likeliest words are considered. 0 is off.",
    min: 0,
    max: 200,
    step: 1,
  },
  {
    key: "repetitionPenalty",
    label: "Repetition penalty",
    hint: "Makes words that were already used less likely. 1 is off.",
    min: 0.8,
    max: 1.6,
    step: 0.01,
  },
  {
    key: "maxTokens",
    label: "Longest answer, in tokens",
    hint: "A token is about three quarters of a word. A longer answer is cut and can be continued.",
    min: 16,
    max: 4096,
    step: 16,
  },
];

type SamplingFieldsProps = {
  defaults: Sampling;
  overrides: SamplingOverrides;
  onChange: (overrides: SamplingOverrides) => void;
};

export function SamplingFields({ defaults, overrides, onChange }: SamplingFieldsProps) {
  const set = (key: keyof SamplingOverrides, value: number | null | undefined) => {
    const { [key]: _, ...others } = overrides;
    // Equal to the default is no override: it follows when the default changes.
    onChange(value === undefined || value === defaults[key] ? others : { ...others, [key]: value });
  };

  return (
    <div className="space-y-4">
      {settings.map((setting) => (
        <RangeField
          key={setting.key}
          setting={setting}
          value={overrides[setting.key] ?? defaults[setting.key]}
          defaultValue={defaults[setting.key]}
          onChange={(value) => set(setting.key, value)}
        />
      ))}
      <SeedField seed={overrides.seed ?? null} onChange={(seed) => set("seed", seed ?? undefined)} />
      <Button small onClick={() => onChange({})} disabled={Object.keys(overrides).length === 0}>
        Reset all to default
      </Button>
    </div>
  );
}

type RangeFieldProps = {
  setting: Setting;
  value: number;
  defaultValue: number;
  onChange: (value: number) => void;
};

function RangeField({ setting, value, defaultValue, onChange }: RangeFieldProps) {
  const id = useId();
  const { label, hint, min, max, step } = setting;
  return (
    <div>
      <div className="flex items-baseline justify-between gap-3">
        <label htmlFor={id} className="font-medium">
          {label}
        </label>
        <span className="tabular text-small text-muted">
          {value !== defaultValue && (
            <button
              type="button"
              onClick={() => onChange(defaultValue)}
              aria-label={`Reset ${label} to ${defaultValue}`}
              className="mr-2 underline underline-offset-2 hover:text-ink"
            >
              default {defaultValue}
            </button>
          )}
          <span className="text-ink">{value}</span>
        </span>
      </div>
      <input
        id={id}
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onChange(event.target.valueAsNumber)}
        className="block h-6 w-full"
      />
      <p id={`${id}-hint`} className="text-small text-muted">
        {hint}
      </p>
    </div>
  );
}

function SeedField({ seed, onChange }: { seed: number | null; onChange: (seed: number | null) => void }) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="font-medium">
        Seed
      </label>
      <input
        id={id}
        type="number"
        min={0}
        max={2_147_483_647}
        step={1}
        inputMode="numeric"
        placeholder="drawn anew for each answer"
        value={seed ?? ""}
        aria-describedby={`${id}-hint`}
        onChange={({ target }) => {
          if (target.value === "") onChange(null);
          else if (target.validity.valid) onChange(target.valueAsNumber);
        }}
        className={`mt-1 ${inputClass}`}
      />
      <p id={`${id}-hint`} className="mt-1 text-small text-muted">
        The same seed, settings and question give the same answer.
      </p>
    </div>
  );
}
