/** @file One setting as a form field, by its kind; a group of settings holds fields of its own. */
"use client";

import { SelectField, TextArea, TextField } from "@/app/_components/field";
import { Switch } from "@/app/_components/switch";
import { describeValue } from "../config-diff";
import { type Field, fieldLabel, fillIn, formOf } from "./read-settings";

type SettingFieldProps = {
  field: Field;
  /** Dotted name, as the server's faults name it. */
  path: string;
  value: unknown;
  faults: ReadonlyMap<string, string>;
  onChange: (value: unknown) => void;
};

export function SettingField(props: SettingFieldProps) {
  const { field, path, value, faults, onChange } = props;
  const label = fieldLabel(field.name);
  const hint = `${describe(field)}${describeDefault(field)}`;
  const error = faults.get(path) ?? null;
  switch (field.kind) {
    case "number":
      return (
        <TextField
          label={label}
          hint={hint}
          error={error}
          type="number"
          inputMode={field.isWhole ? "numeric" : "decimal"}
          step={field.isWhole ? 1 : "any"}
          {...(field.min !== null && { min: field.min })}
          {...(field.max !== null && { max: field.max })}
          required={!field.nullable}
          placeholder={field.nullable ? "empty" : ""}
          value={typeof value === "number" && !Number.isNaN(value) ? value : ""}
          onChange={({ target }) => onChange(target.value === "" ? null : target.valueAsNumber)}
        />
      );
    case "switch":
      return <Switch label={label} hint={error ?? hint} checked={value === true} onChange={onChange} />;
    case "choice":
      return (
        <SelectField
          label={label}
          hint={hint}
          error={error}
          value={String(value)}
          onChange={({ target }) => onChange(target.value)}
        >
          {field.choices.map((choice) => (
            <option key={choice}>{choice}</option>
          ))}
        </SelectField>
      );
    case "text":
      return (
        <TextField
          label={label}
          hint={hint}
          error={error}
          required={!field.nullable}
          placeholder={field.nullable ? "empty" : ""}
          value={typeof value === "string" ? value : ""}
          onChange={({ target }) => onChange(target.value === "" && field.nullable ? null : target.value)}
        />
      );
    case "json":
      return (
        <TextArea
          label={label}
          hint={`${hint} Written as JSON; docs/ppo.md has examples.`}
          error={firstFault(path, faults)}
          className="font-mono"
          // As it is written until the field is left: half of it is no JSON.
          value={typeof value === "string" ? value : JSON.stringify(value, null, 2)}
          onChange={({ target }) => onChange(target.value)}
          onBlur={() => typeof value === "string" && onChange(readJson(value))}
        />
      );
    case "texts":
      return (
        <TextArea
          label={label}
          hint={`${hint} One a line.`}
          error={error}
          value={Array.isArray(value) ? value.join("\n") : ""}
          onChange={({ target }) => onChange(target.value === "" ? null : target.value.split("\n"))}
          // An empty line while writing is no prompt.
          onBlur={() => Array.isArray(value) && onChange(withoutEmpty(value))}
        />
      );
    case "group":
      return <SettingGroup {...props} field={field} label={label} hint={describe(field)} />;
  }
}

type SettingGroupProps = SettingFieldProps & {
  field: Extract<Field, { kind: "group" }>;
  label: string;
  hint: string;
};

function SettingGroup({ field, path, value, faults, onChange, label, hint }: SettingGroupProps) {
  const isOn = value !== null && value !== undefined;
  const given = (isOn ? Object(value) : {}) as Record<string, unknown>;
  const form = formOf(field, given);
  const { chosenBy } = field;
  return (
    <fieldset className="space-y-3">
      <legend className="sr-only">{label}</legend>
      {field.nullable ? (
        <Switch
          label={label}
          hint={faults.get(path) ?? hint}
          checked={isOn}
          onChange={(on) => onChange(on ? fillIn(field, field.default ?? {}) : null)}
        />
      ) : (
        <div>
          <p className="font-medium">{label}</p>
          <p className="text-small text-muted">{hint}</p>
        </div>
      )}
      {isOn && (
        <div className="grid gap-x-6 gap-y-4 border-l-2 border-line pl-4 sm:grid-cols-2">
          {chosenBy !== null && (
            <SelectField
              label={fieldLabel(chosenBy)}
              value={form.choice ?? ""}
              onChange={({ target }) => onChange(fillIn(field, { [chosenBy]: target.value }))}
            >
              {field.forms.map(({ choice }) => (
                <option key={choice}>{choice}</option>
              ))}
            </SelectField>
          )}
          {form.fields.map((inner) => (
            <SettingField
              key={inner.name}
              field={inner}
              path={`${path}.${inner.name}`}
              // Empty (null) is a value too: it is not the default.
              value={inner.name in given ? given[inner.name] : inner.default}
              faults={faults}
              onChange={(changed) => onChange({ ...given, [inner.name]: changed })}
            />
          ))}
        </div>
      )}
    </fieldset>
  );
}

/** What is no JSON stays as it is written, and the server says so. */
function readJson(text: string): unknown {
  if (text.trim() === "") return [];
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Of the field itself, or of something inside it. */
function firstFault(path: string, faults: ReadonlyMap<string, string>): string | null {
  const inside = [...faults].find(([at]) => at === path || at.startsWith(`${path}.`));
  return inside ? (inside[0] === path ? inside[1] : `${inside[0]}: ${inside[1]}`) : null;
}

function withoutEmpty(texts: unknown[]): unknown[] | null {
  const kept = texts.filter((text) => text !== "");
  return kept.length > 0 ? kept : null;
}

/** Descriptions speak of JSON's null; on this page a field is empty, and a group switched off. */
function describe({ description, kind }: Field): string {
  if (description === "") return "";
  const text = description.replace(/\bnull:/g, kind === "group" ? "off:" : "empty:");
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

function describeDefault({ default: standard, kind }: Field): string {
  if (standard === undefined || kind === "group") return "";
  return ` Default: ${standard === null ? "empty" : describeValue(standard)}.`;
}
