/** @file The files of a checkpoint, to download one by one: a folder that any Hugging Face tool loads. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { Dialog } from "@/app/_components/dialog";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { errorText } from "@/app/_lib/error-text";
import { formatBytes } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

/** The manifest is a file of the folder too, and not in its own list. */
const manifestFile = "attune.json";

type DownloadDialogProps = { checkpoint: { id: string; name: string }; onClose: () => void };

export function DownloadDialog({ checkpoint, onClose }: DownloadDialogProps) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.models.checkpoints.queryOptions());
  const found = data?.find(({ id }) => id === checkpoint.id);
  const files = Object.entries(found?.manifest.files ?? {});
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={`Download ${checkpoint.name}`}
      description="Put together in one folder, the files are a checkpoint that Attune and other tools load."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Looking up its files…</Pulse>}
      {data && !found && <Notice tone="error">The files of this checkpoint were deleted.</Notice>}
      <ul className="divide-y divide-line">
        {found && <FileLink checkpointId={checkpoint.id} name={manifestFile} />}
        {files.map(([name, { sizeBytes }]) => (
          <FileLink key={name} checkpointId={checkpoint.id} name={name} sizeBytes={sizeBytes} />
        ))}
      </ul>
    </Dialog>
  );
}

function FileLink({
  checkpointId,
  name,
  sizeBytes,
}: {
  checkpointId: string;
  name: string;
  sizeBytes?: number;
}) {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return (
    <li className="flex items-baseline justify-between gap-4 py-1.5">
      <a
        href={`/api/checkpoints/${checkpointId}/files/${path}`}
        download
        className="min-w-0 break-all underline decoration-line underline-offset-2 hover:decoration-current"
      >
        {name}
      </a>
      {sizeBytes !== undefined && (
        <span className="shrink-0 text-small text-muted tabular">{formatBytes(sizeBytes)}</span>
      )}
    </li>
  );
}
