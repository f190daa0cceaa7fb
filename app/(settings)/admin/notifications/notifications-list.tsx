/** @file What happened to runs, newest first; unread ones stand out until they are marked. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { classNames } from "@/app/_components/class-names";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import type { NotificationPage } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";

export function NotificationsList({ initialPage }: { initialPage: NotificationPage }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const { data, error } = useQuery(
    trpc.notifications.list.queryOptions(
      { limit: 50 },
      { initialData: initialPage, refetchInterval: 15_000 },
    ),
  );
  const marking = useMutation(
    trpc.notifications.markRead.mutationOptions({
      onSuccess: () => queries.invalidateQueries({ queryKey: trpc.notifications.list.pathKey() }),
    }),
  );
  const { notifications, unread } = data;
  return (
    <div className="mt-4 space-y-3">
      {(error ?? marking.error) && <Notice tone="error">{errorText(error ?? marking.error)}</Notice>}
      {unread > 0 && (
        <div className="flex items-center gap-4">
          <p role="status">{unread} unread</p>
          <Button small busy={marking.isPending} onClick={() => marking.mutate()}>
            Mark all as read
          </Button>
        </div>
      )}
      {notifications.length === 0 ? (
        <p className="max-w-[38rem] text-muted">
          Nothing yet. You are told here when a run finishes, fails or is paused, when a worker is lost, and
          when the disk runs low.
        </p>
      ) : (
        <ol className="max-w-[46rem] divide-y divide-line border-y border-line">
          {notifications.map(({ id, text, run, createdAt, isRead }) => (
            <li key={id} className="flex gap-3 py-2">
              <span
                aria-hidden="true"
                className={classNames("mt-2 size-2 shrink-0 rounded-full", !isRead && "bg-accent")}
              />
              <div className="min-w-0 grow">
                <p className={isRead ? "" : "font-medium"}>
                  {!isRead && <span className="sr-only">Unread: </span>}
                  {run ? (
                    <Link href={`/admin/runs/${run.id}`} className="underline-offset-2 hover:underline">
                      {text}
                    </Link>
                  ) : (
                    text
                  )}
                </p>
                <p className="text-small text-muted">
                  <Moment at={createdAt} />
                </p>
              </div>
            </li>
          ))}
        </ol>
      )}
      <PageKeys keys={[{ key: "m", does: "Mark all as read", act: () => unread > 0 && marking.mutate() }]} />
    </div>
  );
}
