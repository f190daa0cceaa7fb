/** @file One number of a batch that is being made, tied to its draft; and the grid such fields stand in. */
import type { ReactNode } from "react";
import { TextField } from "@/app/_components/field";
import type { BatchDraft } from "./use-new-batch";

export type PartProps = { draft: BatchDraft; change: (part: Partial<BatchDraft>) => void };

type NumberKey = { [K in keyof BatchDraft]: BatchDraft[K] extends number ? K : never }[keyof BatchDraft];
type NumberFieldProps = PartProps & {
  name: NumberKey;
  label: string;
  hint?: string;
  min: number;
  max: number;
  step?: number;
};

export function NumberField({ draft, change, name, ...field }: NumberFieldProps) {
  return (
    <TextField
      {...field}
      type="number"
      required
      value={Number.isNaN(draft[name]) ? "" : draft[name]}
      onChange={({ target }) => change({ [name]: target.valueAsNumber })}
    />
  );
}

export function FieldGrid({ children }: { children: ReactNode }) {
  return <div className="grid gap-x-6 gap-y-4 md:grid-cols-2">{children}</div>;
}
