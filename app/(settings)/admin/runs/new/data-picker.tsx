/** @file Chooses what a run learns from, by role, and uploads more right there. */
"use client";

import { useState } from "react";
import { Button } from "@/app/_components/button";
import type { Dataset, StageDescription } from "@/app/_lib/api-types";
import { formatBytes, plural } from "@/app/_lib/format";
import type { SkippedLine, UploadKind } from "../../datasets/_upload/upload-files";
import { UploadForm } from "../../datasets/_upload/upload-form";
import { kindNames } from "../../datasets/kind-names";
import { SkippedNotice } from "../../datasets/skipped-notice";
import { PromptsHere } from "./prompts-here";
import type { ChosenDataset, Role } from "./use-new-run";

type DataPickerProps = {
  kinds: StageDescription["data"] & { data: Dataset["kind"] };
  datasets: Dataset[];
  chosen: ChosenDataset[];
  onChange: (chosen: ChosenDataset[]) => void;
};

export function DataPicker({ kinds, datasets, chosen, onChange }: DataPickerProps) {
  return (
    <div className="space-y-5">
      <RolePicker
        of="data"
        kind={kinds.data}
        title={kindNames[kinds.data]}
        {...{ datasets, chosen, onChange }}
      />
      {kinds.pretrainMix && (
        <RolePicker
          of="pretrainMix"
          kind={kinds.pretrainMix}
          title="Documents to mix in"
          text="Optional: plain text learned beside the rest, so that the model keeps what it knew."
          {...{ datasets, chosen, onChange }}
        />
      )}
    </div>
  );
}

type RolePickerProps = Omit<DataPickerProps, "kinds"> & {
  of: Role;
  kind: Dataset["kind"];
  title: string;
  text?: string;
};

function RolePicker({ of: role, kind, title, text, datasets, chosen, onChange }: RolePickerProps) {
  const [skipped, setSkipped] = useState<{ lines: number; named: SkippedLine[] }>({ lines: 0, named: [] });
  const fitting = datasets.filter(
    (one) => one.kind === kind && one.sealedAt !== null && one.deletedAt === null,
  );
  const isChosen = (id: string) => chosen.some((one) => one.datasetId === id && one.role === role);
  const set = (id: string, on: boolean) => {
    const others = chosen.filter((one) => one.datasetId !== id || one.role !== role);
    onChange(on ? [...others, { datasetId: id, role }] : others);
  };
  return (
    <fieldset className="space-y-2">
      <legend className="font-medium">{title}</legend>
      {text && <p className="text-small text-muted">{text}</p>}
      {fitting.length === 0 && <p className="text-small text-muted">There are none here yet.</p>}
      <div className="max-h-64 overflow-y-auto">
        {fitting.map(({ id, name, rowCount, erasedRows, sizeBytes }) => (
          <label key={id} className="flex items-baseline gap-2.5 py-1">
            <input
              type="checkbox"
              checked={isChosen(id)}
              onChange={({ target }) => set(id, target.checked)}
            />
            <span className="min-w-0">
              {name}{" "}
              <span className="text-small text-muted">
                {plural(rowCount, "row", "rows")}, {formatBytes(sizeBytes)}
                {erasedRows > 0 && `, ${erasedRows} erased`}
              </span>
            </span>
          </label>
        ))}
      </div>
      <SkippedNotice skippedLines={skipped.lines} skipped={skipped.named} />
      {kind === "prompts" && <PromptsHere onDone={(dataset) => set(dataset.id, true)} />}
      {kind !== "rankings" && (
        <UploadHere
          kind={kind}
          onDone={(dataset, named) => {
            setSkipped({ lines: dataset.skippedLines, named });
            set(dataset.id, true);
          }}
        />
      )}
    </fieldset>
  );
}

type UploadHereProps = { kind: UploadKind; onDone: (dataset: Dataset, skipped: SkippedLine[]) => void };

function UploadHere({ kind, onDone }: UploadHereProps) {
  const [isOpen, setIsOpen] = useState(false);
  if (!isOpen) {
    return (
      <Button small onClick={() => setIsOpen(true)}>
        Upload {kindNames[kind].toLowerCase()}
      </Button>
    );
  }
  return (
    <div className="border-l-2 border-line pl-4">
      <UploadForm
        kind={kind}
        onDone={(dataset, skipped) => {
          setIsOpen(false);
          onDone(dataset, skipped);
        }}
      />
    </div>
  );
}
