/** @file A checkpoint to download: in one archive, with the base of an adapter, or file by file. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { buttonClass } from "@/app/_components/button-class";
import { Dialog } from "@/app/_components/dialog";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import type { Checkpoint } from "@/app/_lib/api-types";
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
      description="Unpacked, it is a folder that Attune and other tools load."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>Looking up its files…</Pulse>}
      {data && !found && <Notice tone="error">The files of this checkpoint were deleted.</Notice>}
      {found && <ArchiveLink checkpoint={found} />}
      {found && <h3 className="mt-6 mb-1 text-small text-muted">Or file by file</h3>}
      <ul className="divide-y divide-line">
        {found && <FileLink checkpointId={checkpoint.id} name={manifestFile} />}
        {files.map(([name, { sizeBytes }]) => (
          <FileLink key={name} checkpointId={checkpoint.id} name={name} sizeBytes={sizeBytes} />
        ))}
      </ul>
    </Dialog>
  );
}

function ArchiveLink({ checkpoint: { id, sizeBytes, lineageBase } }: { checkpoint: Checkpoint }) {
  return (
    <div className="space-y-2">
      <a href={`/api/checkpoints/${id}/archive`} download className={buttonClass("primary")}>
        Download all, {formatBytes(sizeBytes + (lineageBase?.sizeBytes ?? 0))}
      </a>
      {lineageBase && (
        <p className="text-small text-muted">
          An adapter over {lineageBase.name}, which is in the archive too (
          {formatBytes(lineageBase.sizeBytes)}).
        </p>
      )}
    </div>
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
