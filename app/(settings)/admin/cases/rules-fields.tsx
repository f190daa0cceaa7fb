/** @file The rules of a case as fields: one a row, each with the one value that it needs. */
"use client";

import { Button, IconButton } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import type { CaseRule } from "@/app/_lib/api-types";

/** `value` as it is typed; see `kinds`. */
export type DraftRule = { id: number; kind: RuleKind; value: string };

type RuleKind = keyof typeof kinds;

/** How each is asked for, and made of what is typed; `label` null: there is nothing to type. */
const kinds = {
  contains: {
    title: "contains",
    label: "Text",
    toRule: (text: string): CaseRule => ({ type: "contains", text }),
  },
  notContains: {
    title: "does not contain",
    label: "Text",
    toRule: (text: string): CaseRule => ({ type: "notContains", text }),
  },
  answer: {
    title: "is exactly",
    label: "Text",
    toRule: (text: string): CaseRule => ({ type: "answer", text }),
  },
  matches: {
    title: "matches a pattern",
    label: "Regular expression",
    toRule: (pattern: string): CaseRule => ({ type: "matches", pattern }),
  },
  length: {
    title: "has at most so many words",
    label: "Words",
    toRule: (words: string): CaseRule => ({ type: "length", least: 1, most: Number(words) }),
  },
  json: { title: "is JSON", label: null, toRule: (): CaseRule => ({ type: "json" }) },
  refuses: {
    title: "refuses",
    label: null,
    toRule: (): CaseRule => ({ type: "refusal", refuse: true }),
  },
  answers: {
    title: "does not refuse",
    label: null,
    toRule: (): CaseRule => ({ type: "refusal", refuse: false }),
  },
  ending: {
    title: "ends as a sentence does",
    label: null,
    toRule: (): CaseRule => ({ type: "ending" }),
  },
  noRepetition: {
    title: "repeats no three words",
    label: null,
    toRule: (): CaseRule => ({ type: "noRepetition" }),
  },
} as const;
const isRuleKind = (value: string): value is RuleKind => Object.hasOwn(kinds, value);

export const emptyRule = (id: number): DraftRule => ({ id, kind: "contains", value: "" });

export const toRule = ({ kind, value }: DraftRule): CaseRule => kinds[kind].toRule(value);

type RulesFieldsProps = { rules: DraftRule[]; onChange: (rules: DraftRule[]) => void };

export function RulesFields({ rules, onChange }: RulesFieldsProps) {
  const change = (id: number, changed: Partial<DraftRule>) =>
    onChange(rules.map((rule) => (rule.id === id ? { ...rule, ...changed } : rule)));
  const nextId = Math.max(...rules.map(({ id }) => id)) + 1;
  return (
    <div className="space-y-3">
      {rules.map(({ id, kind, value }, i) => {
        const { label } = kinds[kind];
        return (
          <fieldset key={id} className="flex items-start gap-3">
            <legend className="sr-only">Rule {i + 1}</legend>
            <div className="grid min-w-0 grow gap-3 sm:grid-cols-2">
              <SelectField
                label="The answer"
                value={kind}
                onChange={({ target }) => isRuleKind(target.value) && change(id, { kind: target.value })}
              >
                {Object.entries(kinds).map(([each, { title }]) => (
                  <option key={each} value={each}>
                    {title}
                  </option>
                ))}
              </SelectField>
              {label !== null && (
                <TextField
                  label={label}
                  required
                  type={kind === "length" ? "number" : "text"}
                  {...(kind === "length" && { min: 1 })}
                  value={value}
                  onChange={({ target }) => change(id, { value: target.value })}
                />
              )}
            </div>
            {rules.length > 1 && (
              <IconButton
                icon="close"
                label={`Remove rule ${i + 1}`}
                className="mt-7"
                onClick={() => onChange(rules.filter((rule) => rule.id !== id))}
              />
            )}
          </fieldset>
        );
      })}
      {rules.length < 20 && (
        <Button small onClick={() => onChange([...rules, emptyRule(nextId)])}>
          Add a rule
        </Button>
      )}
    </div>
  );
}
