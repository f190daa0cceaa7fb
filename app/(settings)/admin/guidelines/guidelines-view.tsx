/** @file The guidelines as labelers read them, earlier versions, and the form that adds one. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField } from "@/app/_components/field";
import { Markdown } from "@/app/_components/markdown";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import type { Guidelines, GuidelinesSummary } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { GuidelinesForm } from "./guidelines-form";

type GuidelinesViewProps = { initialCurrent: Guidelines; initialVersions: GuidelinesSummary[] };

export function GuidelinesView({ initialCurrent, initialVersions }: GuidelinesViewProps) {
  const trpc = useTRPC();
  const [version, setVersion] = useState<number | null>(null);
  const [isWriting, setIsWriting] = useState(false);
  const versions = useQuery(
    trpc.guidelines.list.queryOptions(undefined, { initialData: initialVersions }),
  ).data;
  const { data: shown, error } = useQuery(
    trpc.guidelines.get.queryOptions(
      { version },
      { placeholderData: (previous) => previous, ...(version === null && { initialData: initialCurrent }) },
    ),
  );
  const newest = versions[0]?.version ?? initialCurrent.version;
  return (
    <>
      <PageTitle
        aside={
          !isWriting && (
            <Button look="primary" onClick={() => setIsWriting(true)}>
              Write a new version
            </Button>
          )
        }
      >
        Guidelines
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Labelers read these beside every task. A version never changes; a batch keeps the one it was made
        with, and every ranking stores it.
      </p>
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {isWriting && shown ? (
        <GuidelinesForm
          key={newest}
          current={shown}
          basedOn={newest}
          onDone={() => {
            setIsWriting(false);
            setVersion(null);
          }}
        />
      ) : (
        shown && (
          <>
            <div className="mt-5 max-w-xs">
              <SelectField
                label="Version"
                value={shown.version}
                onChange={({ target }) =>
                  setVersion(Number(target.value) === newest ? null : Number(target.value))
                }
              >
                {versions.map((one) => (
                  <option key={one.version} value={one.version}>
                    {one.version}
                    {one.version === newest ? " (current)" : ""}
                  </option>
                ))}
              </SelectField>
            </div>
            <p className="mt-2 text-small text-muted">
              {shown.createdBy?.name ?? "Came with Attune"}, <Moment at={shown.createdAt} />.
              {shown.changes !== "" && ` What changed: ${shown.changes}`}
            </p>
            <article className="mt-5 max-w-[42rem] border-t border-line pt-5">
              <Markdown text={shown.text} />
            </article>
          </>
        )
      )}
      <PageKeys keys={[{ key: "n", does: "Write a new version", act: () => setIsWriting(true) }]} />
    </>
  );
}
