/** @file What the figures are about: the tie rule, and the rankings they are taken from. */
"use client";

import { SelectField, TextField } from "@/app/_components/field";
import type { AgreementChoices, AgreementQuestion, AgreementReport } from "@/app/_lib/api-types";

/** As the fields have it; "" = all. Days are of UTC, the last one included. */
export type Filters = {
  tieRule: AgreementReport["tieRule"];
  batchId: string;
  groupId: string;
  guidelinesVersion: string;
  firstDay: string;
  lastDay: string;
};

export const noFilters: Filters = {
  tieRule: "leaveOut",
  batchId: "",
  groupId: "",
  guidelinesVersion: "",
  firstDay: "",
  lastDay: "",
};

const dayMs = 24 * 60 * 60 * 1000;

export function questionOf(filters: Filters): AgreementQuestion {
  const { tieRule, batchId, groupId, guidelinesVersion, firstDay, lastDay } = filters;
  return {
    tieRule,
    filter: {
      ...(batchId && { batchId }),
      ...(groupId && { groupId }),
      ...(guidelinesVersion && { guidelinesVersion: Number(guidelinesVersion) }),
      ...(firstDay && { from: new Date(firstDay) }),
      ...(lastDay && { before: new Date(Date.parse(lastDay) + dayMs) }),
    },
  };
}

type AgreementFiltersProps = {
  filters: Filters;
  choices: AgreementChoices;
  onChange: (filters: Filters) => void;
};

export function AgreementFilters({ filters, choices, onChange }: AgreementFiltersProps) {
  const field = <K extends keyof Filters>(key: K) => ({
    value: filters[key],
    onChange: ({ target }: { target: { value: string } }) => onChange({ ...filters, [key]: target.value }),
  });
  return (
    <form aria-label="Filters" className="mt-6 grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
      <SelectField label="Ties" {...field("tieRule")}>
        <option value="leaveOut">tied pairs left out</option>
        <option value="half">a tie against an order counts half</option>
      </SelectField>
      <SelectField label="Batch" {...field("batchId")}>
        <option value="">all</option>
        {choices.batches.map(({ id, name, purpose }) => (
          <option key={id} value={id}>
            {purpose === "imported" ? `${name} (imported)` : name}
          </option>
        ))}
      </SelectField>
      <SelectField label="Group" {...field("groupId")}>
        <option value="">all</option>
        {choices.groups.map(({ id, name, isHeldOut }) => (
          <option key={id} value={id}>
            {isHeldOut ? `${name} (held out)` : name}
          </option>
        ))}
      </SelectField>
      <SelectField label="Guidelines" {...field("guidelinesVersion")}>
        <option value="">all versions</option>
        {choices.guidelinesVersions.map((version) => (
          <option key={version} value={version}>
            version {version}
          </option>
        ))}
      </SelectField>
      <TextField label="From (UTC)" type="date" max={filters.lastDay || undefined} {...field("firstDay")} />
      <TextField label="To (UTC)" type="date" min={filters.firstDay || undefined} {...field("lastDay")} />
    </form>
  );
}
