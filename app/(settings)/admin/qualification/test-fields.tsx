/** @file The settings of a test: cut-offs, sitting again, areas asked about. */
"use client";

import { type ReactNode, useState } from "react";
import { TextArea, TextField } from "@/app/_components/field";
import type { TestSettings } from "@/app/_lib/api-types";

type TestFieldsProps = {
  settings: TestSettings;
  onChange: (part: Partial<TestSettings>) => void;
  /** Further fields of the same grid. */
  children?: ReactNode;
};

export function TestFields({ settings, onChange, children }: TestFieldsProps) {
  // As it is typed: a line that is empty for a moment is no area.
  const [areas, setAreas] = useState(settings.areas.join("\n"));
  const share = (key: "flagCutoff" | "rankingCutoff") => ({
    type: "number",
    required: true,
    min: 0,
    max: 100,
    value: shown(settings[key], 100),
    onChange: ({ target }: { target: HTMLInputElement }) => onChange({ [key]: target.valueAsNumber / 100 }),
  });
  return (
    <div className="grid gap-x-6 gap-y-4 md:grid-cols-2">
      {children}
      <TextField
        label="Flags: cut-off (%)"
        hint="Agreement with the known flags. Cut-offs are soft: you may pass somebody below, with a reason."
        {...share("flagCutoff")}
      />
      <TextField
        label="Rankings: cut-off (%)"
        hint="Of the pairs in a known order; a tie is a miss, a known tie is left out."
        {...share("rankingCutoff")}
      />
      <TextField
        label="Demonstrations: cut-off"
        hint="Mean rating, 1 to 7."
        type="number"
        required
        min={1}
        max={7}
        step={0.1}
        value={shown(settings.ratingCutoff, 1)}
        onChange={({ target }) => onChange({ ratingCutoff: target.valueAsNumber })}
      />
      <TextField
        label="Again after (days)"
        hint="From the end of a sitting that was not passed."
        type="number"
        required
        min={0}
        max={365}
        value={shown(settings.retakeAfterDays, 1)}
        onChange={({ target }) => onChange({ retakeAfterDays: target.valueAsNumber })}
      />
      <TextField
        label="Sittings in all (optional)"
        hint="Empty: no limit. Who is asked to sit again begins anew."
        type="number"
        min={1}
        max={100}
        value={settings.mostSittings ?? ""}
        onChange={({ target }) =>
          onChange({ mostSittings: target.value === "" ? null : target.valueAsNumber })
        }
      />
      <div className="md:col-span-2">
        <TextArea
          label="Areas of competence"
          hint="One a line. Labelers say of themselves which they are at home in; it has no cut-off."
          rows={5}
          value={areas}
          onChange={({ target }) => {
            setAreas(target.value);
            const lines = target.value.split("\n").map((line) => line.trim());
            onChange({ areas: lines.filter((line) => line !== "") });
          }}
        />
      </div>
    </div>
  );
}

/** Empty while nothing is typed; 0.75 as 75, without the tail of binary fractions. */
const shown = (value: number, times: number) =>
  Number.isNaN(value) ? "" : Number((value * times).toFixed(4));
