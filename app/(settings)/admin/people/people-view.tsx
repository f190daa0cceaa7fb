/** @file Who has an account: search, roles, grants, disabling, reset links, invitations. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { type Column, DataTable } from "@/app/_components/data-table";
import { TextField } from "@/app/_components/field";
import { MeaningBadge } from "@/app/_components/meaning-badge";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { Invite, PeoplePage, Person } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { useDelayed } from "@/app/_lib/use-delayed";
import { PageTitle } from "../../_frame/section";
import { InviteDialog } from "./invite-dialog";
import { InvitesSection } from "./invites-section";
import { PersonDialog } from "./person-dialog";
import { grantNames, roleNames } from "./role-names";

type PeopleViewProps = {
  viewerId: string;
  mayManage: boolean;
  firstPage: PeoplePage;
  initialInvites: Invite[];
};

export function PeopleView({ viewerId, mayManage, firstPage, initialInvites }: PeopleViewProps) {
  const trpc = useTRPC();
  const [search, setSearch] = useState("");
  const [openId, setOpenId] = useState<string | null>(null);
  const [isInviting, setIsInviting] = useState(false);
  const settled = useDelayed(search.trim(), 200);
  const list = useInfiniteQuery(
    trpc.people.list.infiniteQueryOptions(
      { search: settled },
      {
        getNextPageParam: (page) => page.nextCursor,
        placeholderData: (previous) => previous,
        ...(settled === "" && { initialData: { pages: [firstPage], pageParams: [null] } }),
      },
    ),
  );
  const people = list.data?.pages.flatMap((page) => page.people) ?? [];
  const total = list.data?.pages[0]?.total ?? 0;
  const openPerson = people.find(({ id }) => id === openId) ?? null;

  return (
    <>
      <PageTitle
        aside={
          mayManage && (
            <Button look="primary" onClick={() => setIsInviting(true)}>
              Invite someone
            </Button>
          )
        }
      >
        People
      </PageTitle>
      <div className="mt-6 max-w-sm">
        <TextField
          label="Search by name or email"
          type="search"
          maxLength={200}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
        />
      </div>
      <p role="status" className="mt-2 mb-3 text-small text-muted">
        {settled === ""
          ? plural(total, "person", "people")
          : `${plural(total, "person", "people")} with “${settled}”`}
      </p>
      {list.error && <Notice tone="error">{errorText(list.error)}</Notice>}
      <DataTable
        caption="People"
        columns={columnsOf({ viewerId, mayManage, onOpen: setOpenId })}
        rows={people}
        rowKey={({ id }) => id}
      />
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      )}
      {mayManage && <InvitesSection initialInvites={initialInvites} />}
      {isInviting && <InviteDialog onClose={() => setIsInviting(false)} />}
      {openPerson && <PersonDialog key={openPerson.id} person={openPerson} onClose={() => setOpenId(null)} />}
    </>
  );
}

type ColumnOptions = { viewerId: string; mayManage: boolean; onOpen: (id: string) => void };

function columnsOf({ viewerId, mayManage, onOpen }: ColumnOptions): Column<Person>[] {
  const columns: Column<Person>[] = [
    {
      title: "Name",
      cell: ({ name, email, id }) => (
        <>
          <span className="block font-medium">
            {name}
            {id === viewerId && <span className="font-normal text-muted"> (you)</span>}
          </span>
          <span className="block text-small text-muted">{email}</span>
        </>
      ),
    },
    {
      title: "Role",
      cell: ({ role, grants }) => (
        <>
          {roleNames[role]}
          {grants.map((grant) => (
            <span key={grant} className="block text-small text-muted">
              {grantNames[grant]}
            </span>
          ))}
        </>
      ),
    },
    {
      title: "State",
      cell: ({ isDisabled }) =>
        isDisabled ? (
          <span className="text-danger">disabled</span>
        ) : (
          <MeaningBadge meaning="people">active</MeaningBadge>
        ),
    },
    {
      title: "Last seen",
      cell: ({ lastSeenAt }) => (lastSeenAt ? <Moment at={lastSeenAt} /> : "signed out"),
    },
    { title: "Since", cell: ({ createdAt }) => <Moment at={createdAt} withTime={false} /> },
  ];
  if (!mayManage) return columns;
  return [
    ...columns,
    {
      title: "Action",
      isTitleHidden: true,
      cell: ({ id, name }) =>
        id !== viewerId && (
          <Button small aria-label={`Manage ${name}`} onClick={() => onOpen(id)}>
            Manage
          </Button>
        ),
    },
  ];
}
