/** @file A form with one action: busy while it runs, and the refusal in words above the button. */
"use client";

import { type ReactNode, useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { formTexts } from "@/app/_lib/form-texts";

type SubmitFormProps = {
  /** The button: names what happens. */
  action: string;
  /** Returns null when it worked, else why not. */
  onSubmit: (values: Record<string, string>) => Promise<string | null>;
  children: ReactNode;
};

export function SubmitForm({ action, onSubmit, children }: SubmitFormProps) {
  const [refusal, setRefusal] = useState<string | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  return (
    <form
      className="space-y-4"
      onSubmit={async (event) => {
        event.preventDefault();
        const values = formTexts(event.currentTarget);
        setIsBusy(true);
        setRefusal(null);
        const refused = await onSubmit(values);
        setRefusal(refused);
        // After success a new page is on its way: the button stays busy until it is there.
        if (refused !== null) setIsBusy(false);
      }}
    >
      {children}
      {refusal && <Notice tone="error">{refusal}</Notice>}
      <Button type="submit" look="primary" busy={isBusy} className="w-full">
        {action}
      </Button>
    </form>
  );
}
