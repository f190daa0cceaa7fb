/** @file The way of a canary as it is typed: shares that grow, each for so long, the last one until somebody decides. */
"use client";

import { Button } from "@/app/_components/button";
import { TextField } from "@/app/_components/field";
import { emptyStep, type RampStepText, readRamp } from "./read-ramp";

type RampFieldsProps = { steps: readonly RampStepText[]; onChange: (steps: RampStepText[]) => void };

export function RampFields({ steps, onChange }: RampFieldsProps) {
  const last = steps.length - 1;
  const change = (at: number, changed: Partial<RampStepText>) =>
    onChange(steps.map((step, i) => (i === at ? { ...step, ...changed } : step)));
  const { problem } = readRamp(steps);
  return (
    <fieldset className="space-y-2">
      <legend className="font-medium">Share of conversations</legend>
      <ol className="space-y-2">
        {steps.map((step, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a step is known by its place alone
          <li key={at} className="flex flex-wrap items-end gap-3">
            <div className="w-28">
              <TextField
                label={`Step ${at + 1}, %`}
                type="number"
                inputMode="decimal"
                required
                min={0.1}
                max={99.9}
                step={0.1}
                value={step.share}
                onChange={(event) => change(at, { share: event.target.value })}
              />
            </div>
            {at < last ? (
              <div className="w-32">
                <TextField
                  label={`Step ${at + 1}, minutes`}
                  type="number"
                  inputMode="numeric"
                  required
                  min={1}
                  max={60_000}
                  step={1}
                  value={step.minutes}
                  onChange={(event) => change(at, { minutes: event.target.value })}
                />
              </div>
            ) : (
              <p className="pb-2 text-muted">until you decide</p>
            )}
            {steps.length > 1 && (
              <Button
                small
                aria-label={`Remove step ${at + 1}`}
                onClick={() => onChange(steps.filter((_, i) => i !== at))}
              >
                Remove
              </Button>
            )}
          </li>
        ))}
      </ol>
      <p role="status" className="text-small text-danger empty:hidden">
        {problem}
      </p>
      <Button small disabled={steps.length >= 20} onClick={() => onChange([...steps, emptyStep])}>
        Add a step
      </Button>
    </fieldset>
  );
}
