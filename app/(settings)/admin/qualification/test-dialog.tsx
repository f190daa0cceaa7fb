/** @file Changes what passes a test. */
"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { Notice } from "@/app/_components/notice";
import type { QualificationTest, TestSettings } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { TestFields } from "./test-fields";

type TestDialogProps = {
  test: Pick<QualificationTest, "batchId" | "name">;
  initialSettings: TestSettings;
  onClose: () => void;
};

export function TestDialog({ test, initialSettings, onClose }: TestDialogProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [settings, setSettings] = useState(initialSettings);
  const changing = useMutation(
    trpc.qualification.changeTest.mutationOptions({
      onSuccess: async () => {
        await queries.invalidateQueries({ queryKey: trpc.qualification.pathKey() });
        onClose();
      },
    }),
  );
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={test.name}
      description="Holds for sittings that end from now on; those that ended stay as they were decided."
    >
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault();
          changing.mutate({ batchId: test.batchId, settings });
        }}
      >
        <TestFields settings={settings} onChange={(part) => setSettings({ ...settings, ...part })} />
        {changing.error && <Notice tone="error">{errorText(changing.error)}</Notice>}
        <Button type="submit" look="primary" busy={changing.isPending}>
          Keep the settings
        </Button>
      </form>
    </Dialog>
  );
}
