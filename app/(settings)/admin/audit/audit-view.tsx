/** @file The audit log: newest first, filtered by action, and a check that no row was changed or removed. */
"use client";

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { SelectField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { AuditPage, AuditRow, AuditVerdict } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";

type AuditViewProps = { firstPage: AuditPage; actions: string[] };

export function AuditView({ firstPage, actions }: AuditViewProps) {
  const trpc = useTRPC();
  const [action, setAction] = useState("");
  const list = useInfiniteQuery(
    trpc.audit.list.infiniteQueryOptions(
      { action: action || undefined },
      {
        getNextPageParam: (page) => page.nextCursor,
        placeholderData: (previous) => previous,
        ...(action === "" && { initialData: { pages: [firstPage], pageParams: [null] } }),
      },
    ),
  );
  const check = useQuery(trpc.audit.verify.queryOptions(undefined, { enabled: false }));
  const rows = list.data?.pages.flatMap((page) => page.rows) ?? [];

  return (
    <>
      <PageTitle
        aside={
          <Button busy={check.isFetching} onClick={() => void check.refetch()}>
            Check the chain
          </Button>
        }
      >
        Audit log
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Rows are only ever added; each carries the hash of the one before, so a change or a gap shows.
      </p>
      <div role="status">
        {check.data && (
          <Notice tone={check.data.ok ? "info" : "error"} className="mt-3">
            {describeVerdict(check.data)}
          </Notice>
        )}
        {check.error && (
          <Notice tone="error" className="mt-3">
            {errorText(check.error)}
          </Notice>
        )}
      </div>
      <div className="mt-6 mb-3 max-w-xs">
        <SelectField label="Action" value={action} onChange={(event) => setAction(event.target.value)}>
          <option value="">all</option>
          {actions.map((name) => (
            <option key={name} value={name}>
              {describeAction(name)}
            </option>
          ))}
        </SelectField>
      </div>
      {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
      {rows.length === 0 ? (
        <p className="text-muted">Nothing of this kind has happened yet.</p>
      ) : (
        <DataTable caption="Audit log" columns={columns} rows={rows} rowKey={({ id }) => String(id)} />
      )}
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show older
        </Button>
      )}
    </>
  );
}

const columns: Column<AuditRow>[] = [
  { title: "Row", isNumber: true, cell: ({ id }) => id },
  { title: "When", cell: ({ at }) => <Moment at={at} /> },
  {
    title: "Who",
    cell: ({ actor }) => (actor ? (actor.name ?? `account ${actor.id.slice(0, 8)}, deleted`) : "the system"),
  },
  { title: "What", cell: ({ action }) => describeAction(action) },
  {
    title: "To what",
    cell: ({ subject }) => <code className="font-mono text-small">{shorten(subject)}</code>,
  },
  {
    title: "Details",
    cell: ({ details }) => <code className="font-mono text-small">{describeDetails(details)}</code>,
  },
];

/** "person.roleChanged" → "person: role changed". */
function describeAction(action: string): string {
  const [area = "", act = ""] = action.split(".");
  const words = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${words(area)}: ${words(act)}`;
}

/** Ids and hashes are told apart by their beginnings. */
function shorten(subject: string): string {
  return subject.replace(/[0-9a-f]{8}[0-9a-f-]{20,}/g, (id) => `${id.slice(0, 8)}…`);
}

function describeDetails(details: unknown): string {
  if (typeof details !== "object" || details === null) return "";
  return Object.entries(details)
    .map(([key, value]) => `${key}: ${shorten(typeof value === "string" ? value : JSON.stringify(value))}`)
    .join(", ");
}

const brokenWords: Record<Extract<AuditVerdict, { ok: false }>["reason"], string> = {
  changed: "was changed",
  missing: "is missing or does not follow",
  rewritten: "is another one than its signature names: the log was rewritten",
  forged: "has a signature that this server did not make",
};

function describeVerdict(verdict: AuditVerdict): string {
  const rows = plural(verdict.rows, "row follows", "rows follow");
  if (verdict.ok) {
    const kept = verdict.kept
      ? ` It goes on from row ${verdict.kept.id}, whose signature is kept outside the database.`
      : "";
    return `The chain holds: ${rows} from the one before.${kept}`;
  }
  const what = brokenWords[verdict.reason];
  return `The chain is broken: row ${verdict.brokenAt} ${what}. ${rows} correctly before it. Compare with a backup.`;
}
