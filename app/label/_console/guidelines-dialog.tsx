/** @file The guidelines by which this task is judged, one key away. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Dialog } from "@/app/_components/dialog";
import { Markdown } from "@/app/_components/markdown";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

type GuidelinesDialogProps = {
  /** The one the task was given out with; left out: the newest. */
  version?: number;
  onClose: () => void;
};

export function GuidelinesDialog({ version, onClose }: GuidelinesDialogProps) {
  const trpc = useTRPC();
  const { data, error } = useQuery(
    trpc.labeling.guidelines.queryOptions(version === undefined ? {} : { version }, {
      staleTime: Number.POSITIVE_INFINITY,
    }),
  );
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={data ? `Guidelines, version ${data.version}` : "Guidelines"}
      description="The version is stored with every ranking."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Loading the guidelines</Pulse>}
      {data && (
        <>
          {data.changes !== "" && (
            <Notice className="mb-3">
              <span className="font-medium">New in this version: </span>
              {data.changes}
            </Notice>
          )}
          <Markdown text={data.text} />
        </>
      )}
    </Dialog>
  );
}
