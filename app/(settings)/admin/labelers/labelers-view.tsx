/** @file Labelers with their figures and the signs that ask for a look; groups; the file for payment. */
"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { LabelerGroup, LabelerRow } from "@/app/_lib/api-types";
import { downloadFile } from "@/app/_lib/download-file";
import { errorText } from "@/app/_lib/error-text";
import { formatDuration } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle, Section } from "../../_frame/section";
import { GroupForm } from "./group-form";
import { LabelerDialog } from "./labeler-dialog";

type LabelersViewProps = { initialLabelers: LabelerRow[]; initialGroups: LabelerGroup[] };

export function LabelersView({ initialLabelers, initialGroups }: LabelersViewProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [openId, setOpenId] = useState<string | null>(null);
  const { data, error } = useQuery(
    trpc.labelers.list.queryOptions(undefined, { initialData: initialLabelers, refetchInterval: 60_000 }),
  );
  const groups = useQuery(trpc.labelers.groups.queryOptions(undefined, { initialData: initialGroups })).data;
  const open = data.find(({ id }) => id === openId) ?? null;
  const download = async () => {
    try {
      const content = await queries.fetchQuery(trpc.labelers.payment.queryOptions());
      downloadFile({ fileName: "labeling-hours.csv", contentType: "text/csv", content });
    } catch (failure) {
      toast({ text: errorText(failure), isError: true });
    }
  };
  return (
    <>
      <PageTitle aside={<Button onClick={() => void download()}>Hours as CSV</Button>}>Labelers</PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        Signs are reasons to look at somebody's work, never a verdict. Work that is set aside leaves figures
        and datasets to come, is still paid, and can be brought back.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {data.length === 0 ? (
          <p className="text-muted">
            Nobody labels yet. Invite somebody as a labeler, or give a person that role, under{" "}
            <Link href="/admin/people" className="text-accent underline underline-offset-2">
              People
            </Link>
            .
          </p>
        ) : (
          <DataTable caption="Labelers" columns={columnsOf(setOpenId)} rows={data} rowKey={({ id }) => id} />
        )}
      </div>
      <Section
        title="Groups"
        text="A batch can be given to one group. A held-out group judges evaluations: its work never reaches a training set."
      >
        <ul className="mb-3 space-y-1">
          {groups.map(({ id, name, isHeldOut, members }) => (
            <li key={id}>
              {name}{" "}
              <span className="text-small text-muted">
                {members} {isHeldOut ? "members, held out" : "members"}
              </span>
            </li>
          ))}
        </ul>
        <GroupForm />
      </Section>
      {open && <LabelerDialog key={open.id} labeler={open} groups={groups} onClose={() => setOpenId(null)} />}
    </>
  );
}

function columnsOf(onOpen: (id: string) => void): Column<LabelerRow>[] {
  return [
    {
      title: "Name",
      cell: ({ name, pseudonym, setAside }) => (
        <div className="min-w-28">
          <p className="font-medium">{name}</p>
          <p className="text-small text-muted">{pseudonym ?? "has not begun"}</p>
          {setAside && <p className="text-small text-people">set aside: {setAside.reason}</p>}
        </div>
      ),
    },
    { title: "Group", cell: ({ group }) => group?.name ?? "–" },
    {
      title: "Qualified",
      cell: ({ qualifiedAt, requalify }) =>
        qualifiedAt ? <Moment at={qualifiedAt} withTime={false} /> : requalify ? "asked again" : "–",
    },
    { title: "Rankings", isNumber: true, cell: ({ figures }) => figures.rankings.toLocaleString("en") },
    { title: "Comparisons", isNumber: true, cell: ({ comparisons }) => comparisons.toLocaleString("en") },
    { title: "Demonstrations", isNumber: true, cell: ({ demonstrations }) => demonstrations },
    {
      title: "Active time",
      isNumber: true,
      cell: ({ activeMs }) => (activeMs === 0 ? "–" : formatDuration(activeMs / 1000)),
    },
    {
      title: "Signs",
      cell: ({ signals }) =>
        signals.length === 0 ? (
          "–"
        ) : (
          <ul className="min-w-48 text-small text-people">
            {signals.map(({ kind, text }) => (
              <li key={kind}>{text}</li>
            ))}
          </ul>
        ),
    },
    {
      title: "Action",
      isTitleHidden: true,
      cell: ({ id, name }) => (
        <Button small aria-label={`Manage ${name}`} onClick={() => onOpen(id)}>
          Manage
        </Button>
      ),
    },
  ];
}
