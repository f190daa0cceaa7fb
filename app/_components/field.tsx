/** @file Form fields: a label above, a hint or the error below, both tied to the input for screen readers. */
"use client";

import { type ComponentProps, type ReactNode, useId } from "react";
import { classNames } from "./class-names";

export const inputClass =
  "w-full rounded-md border border-control bg-raised px-3 py-1.5 min-h-9 disabled:opacity-60 aria-invalid:border-danger";

type FieldProps = { label: string; hint?: ReactNode; error?: string | null };

/** Wires label, hint and error to the one control that `children` renders. */
function Field({
  label,
  hint,
  error,
  children,
}: FieldProps & {
  children: (control: { id: string; "aria-describedby"?: string; "aria-invalid"?: true }) => ReactNode;
}) {
  const id = useId();
  const noteId = `${id}-note`;
  const note = error || hint;
  return (
    <div className="space-y-1">
      <label htmlFor={id} className="block font-medium">
        {label}
      </label>
      {children({
        id,
        ...(note ? { "aria-describedby": noteId } : {}),
        ...(error ? { "aria-invalid": true as const } : {}),
      })}
      {note && (
        <p id={noteId} className={classNames("text-small", error ? "text-danger" : "text-muted")}>
          {note}
        </p>
      )}
    </div>
  );
}

export function TextField({ label, hint, error, className, ...input }: FieldProps & ComponentProps<"input">) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => <input {...input} {...control} className={classNames(inputClass, className)} />}
    </Field>
  );
}

export function TextArea({
  label,
  hint,
  error,
  className,
  ...input
}: FieldProps & ComponentProps<"textarea">) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => (
        <textarea rows={3} {...input} {...control} className={classNames(inputClass, className)} />
      )}
    </Field>
  );
}

export function SelectField({
  label,
  hint,
  error,
  className,
  ...input
}: FieldProps & ComponentProps<"select">) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(control) => <select {...input} {...control} className={classNames(inputClass, className)} />}
    </Field>
  );
}
