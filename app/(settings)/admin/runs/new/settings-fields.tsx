/** @file A stage's settings as form fields: the few that matter first, the rest folded, each explained by the stage itself. */
"use client";

import { type Field, fieldLabel, groupFields } from "./read-settings";
import { SettingField } from "./setting-field";

type SettingsFieldsProps = {
  fields: readonly Field[];
  /** All settings, defaults filled in. */
  values: Record<string, unknown>;
  faults: ReadonlyMap<string, string>;
  onChange: (name: string, value: unknown) => void;
};

export function SettingsFields({ fields, values, faults, onChange }: SettingsFieldsProps) {
  return (
    <div className="space-y-4">
      {groupFields(fields).map(({ title, fields: grouped }) => {
        const content = (
          <div className="grid gap-x-6 gap-y-4 md:grid-cols-2">
            {grouped.map((field) => (
              <div key={field.name} className={field.kind === "group" ? "md:col-span-2" : ""}>
                <SettingField
                  field={field}
                  path={field.name}
                  value={values[field.name]}
                  faults={faults}
                  onChange={(value) => onChange(field.name, value)}
                />
              </div>
            ))}
          </div>
        );
        if (title === "") return <div key={title}>{content}</div>;
        const isFaulty = grouped.some(({ name }) =>
          [...faults.keys()].some((path) => path.split(".")[0] === name),
        );
        return (
          <details key={title} open={isFaulty || undefined} className="border-t border-line pt-3">
            <summary className="w-fit">
              <span className="font-medium">{title}</span>{" "}
              <span className="text-small text-muted">
                {grouped.map(({ name }) => fieldLabel(name).toLowerCase()).join(", ")}
              </span>
            </summary>
            <div className="mt-3">{content}</div>
          </details>
        );
      })}
    </div>
  );
}
