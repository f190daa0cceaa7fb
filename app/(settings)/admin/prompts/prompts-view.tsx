/** @file The prompts page of labeling leads: collecting, uploading, writing, and looking through what is there. */
"use client";

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Dialog } from "@/app/_components/dialog";
import { Notice } from "@/app/_components/notice";
import { PageKeys } from "@/app/_components/page-keys";
import { useToast } from "@/app/_components/toast";
import { WritePromptForm } from "@/app/_components/write-prompt-form";
import type { PromptCounts, PromptFilter, PromptPage, UploadState } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";
import { PageTitle } from "../../_frame/section";
import { ChosenPrompts } from "./chosen-prompts";
import { PromptCountsTable } from "./prompt-counts";
import { PromptFilters } from "./prompt-filters";
import { PromptList } from "./prompt-list";
import { UploadForm } from "./upload-form";
import { UploadNotice } from "./upload-notice";

type PromptsViewProps = { initialCounts: PromptCounts; firstPage: PromptPage };

export function PromptsView({ initialCounts, firstPage }: PromptsViewProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [filter, setFilter] = useState<PromptFilter>({});
  const [chosen, setChosen] = useState<string[]>([]);
  const [open, setOpen] = useState<"upload" | "write" | null>(null);
  const [uploaded, setUploaded] = useState<{ fileName: string; state: UploadState } | null>(null);
  const counts = useQuery(trpc.prompts.counts.queryOptions(undefined, { initialData: initialCounts }));
  const list = useInfiniteQuery(
    trpc.prompts.list.infiniteQueryOptions(
      { filter },
      {
        getNextPageParam: (page) => page.nextCursor,
        placeholderData: (previous) => previous,
        ...(Object.keys(filter).length === 0 && { initialData: { pages: [firstPage], pageParams: [null] } }),
      },
    ),
  );
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.prompts.pathKey() });
  const collecting = useMutation(
    trpc.prompts.collect.mutationOptions({
      onSuccess: async ({ ready, removed, hasMore }) => {
        await refresh();
        toast({ text: describeCollection(ready, removed, hasMore) });
      },
      onError: (error) => toast({ text: errorText(error), isError: true }),
    }),
  );
  const prompts = list.data?.pages.flatMap((page) => page.prompts) ?? [];
  const isEmpty = counts.data.groups.length === 0;
  const error = counts.error ?? list.error;
  return (
    <>
      <PageTitle
        aside={
          <div className="flex flex-wrap gap-2">
            <Button onClick={() => setOpen("write")}>Write a prompt</Button>
            <Button onClick={() => setOpen("upload")}>Upload</Button>
            <Button look="primary" busy={collecting.isPending} onClick={() => collecting.mutate()}>
              Collect now
            </Button>
          </div>
        }
      >
        Prompts
      </PageTitle>
      <p className="mt-1 max-w-[38rem] text-small text-muted">
        What labelers rank answers to. The server takes prompts from conversations whose owners agree every
        ten minutes, disliked answers first. Personal data is masked on the way in; nobody is shown whose
        words they are.
      </p>
      <div className="mt-4 space-y-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {uploaded && <UploadNotice {...uploaded} />}
      </div>
      {isEmpty ? (
        <p className="mt-4 max-w-[38rem] text-muted">
          There is none yet. Collect them from conversations, upload a file, or write the first one.
        </p>
      ) : (
        <>
          <PromptCountsTable counts={counts.data} onChoose={setFilter} />
          <PromptFilters filter={filter} onChange={setFilter} />
          <ChosenPrompts chosen={chosen} onClear={() => setChosen([])} />
          <PromptList
            prompts={prompts}
            chosen={chosen}
            onChoose={(promptId, isChosen) =>
              setChosen(isChosen ? [...chosen, promptId] : chosen.filter((id) => id !== promptId))
            }
            onChanged={refresh}
          />
        </>
      )}
      {list.hasNextPage && (
        <Button className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          Show more
        </Button>
      )}
      <Dialog
        open={open === "upload"}
        onOpenChange={(isOpen) => setOpen(isOpen ? "upload" : null)}
        title="Upload prompts"
        wide
      >
        <UploadForm
          onDone={(fileName, state) => {
            setUploaded({ fileName, state });
            setOpen(null);
            void refresh();
          }}
        />
      </Dialog>
      <Dialog
        open={open === "write"}
        onOpenChange={(isOpen) => setOpen(isOpen ? "write" : null)}
        title="Write a prompt"
        wide
      >
        <WritePromptForm onWritten={() => void refresh()} />
      </Dialog>
      <PageKeys
        keys={[
          { key: "u", does: "Upload prompts", act: () => setOpen("upload") },
          { key: "w", does: "Write a prompt", act: () => setOpen("write") },
        ]}
      />
    </>
  );
}

function describeCollection(ready: number, removed: number, hasMore: boolean): string {
  if (ready + removed === 0) return "There is nothing new to collect.";
  const taken = `${plural(ready, "prompt is", "prompts are")} ready, ${removed.toLocaleString("en")} put aside.`;
  return hasMore ? `${taken} There is more: collect again.` : taken;
}
