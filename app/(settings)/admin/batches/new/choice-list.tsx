/** @file Several of a few: checkboxes under one question. */
"use client";

import { useId } from "react";

type ChoiceListProps<Value extends string> = {
  legend: string;
  hint: string;
  choices: readonly { value: Value; label: string }[];
  chosen: readonly Value[];
  onChange: (chosen: Value[]) => void;
};

export function ChoiceList<Value extends string>({
  legend,
  hint,
  choices,
  chosen,
  onChange,
}: ChoiceListProps<Value>) {
  const id = useId();
  return (
    <fieldset aria-describedby={id}>
      <legend className="font-medium">{legend}</legend>
      <div className="mt-1 space-y-1">
        {choices.map(({ value, label }) => (
          <label key={value} className="flex min-h-7 items-center gap-2.5">
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={({ target }) =>
                onChange(target.checked ? [...chosen, value] : chosen.filter((one) => one !== value))
              }
            />
            <span className="min-w-0 break-words">{label}</span>
          </label>
        ))}
      </div>
      <p id={id} className="mt-1 text-small text-muted">
        {hint}
      </p>
    </fieldset>
  );
}
