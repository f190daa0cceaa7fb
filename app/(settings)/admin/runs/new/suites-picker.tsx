/** @file Which suites an evaluation measures: those that ship, and of those that were uploaded the newest of each name. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { ChoiceList } from "../../batches/new/choice-list";

type SuitesPickerProps = {
  /** Names; null: all that ship. */
  value: unknown;
  fault: string | null;
  onChange: (value: string[] | null) => void;
};

export function SuitesPicker({ value, fault, onChange }: SuitesPickerProps) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.suites.list.queryOptions());
  if (error) return <Notice tone="error">{errorText(error)}</Notice>;
  if (!data) return <Pulse>Reading suites…</Pulse>;
  const choices = data.filter(({ upload }) => upload === null || upload.isNewest);
  const shipped = choices.filter(({ upload }) => upload === null).map(({ name }) => name);
  const chosen = Array.isArray(value) ? value.map(String) : shipped;
  const isAllShipped = (names: string[]) =>
    names.length === shipped.length && shipped.every((name) => names.includes(name));
  return (
    <div>
      <ChoiceList
        legend="Suites"
        hint="Your own are uploaded under Cases and suites."
        choices={choices.map(({ name, title, itemCount }) => ({
          value: name,
          label: `${title}, ${itemCount.toLocaleString("en")} items`,
        }))}
        chosen={chosen}
        onChange={(names) => onChange(isAllShipped(names) ? null : names)}
      />
      {fault !== null && <p className="mt-1 text-small text-danger">{fault}</p>}
    </div>
  );
}
