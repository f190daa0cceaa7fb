/** @file Webhooks: addresses that are told the same as the list, signed; tested, looked into, deleted. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { useToast } from "@/app/_components/toast";
import type { Webhook } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { Deliveries } from "./deliveries";
import { kindNames } from "./kind-names";
import { NewWebhookDialog } from "./new-webhook-dialog";

export function WebhooksSection({ initialWebhooks }: { initialWebhooks: Webhook[] }) {
  const trpc = useTRPC();
  const [isAdding, setIsAdding] = useState(false);
  const { data, error } = useQuery(
    trpc.notifications.webhooks.queryOptions(undefined, {
      initialData: initialWebhooks,
      refetchInterval: 15_000,
    }),
  );
  return (
    <Section
      title="Webhooks"
      text="Other programs are told by a signed request, tried again for two days until it is taken."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {data.length === 0 ? (
        <p className="mb-3 text-muted">There is none. Add the address of a program that is to be told.</p>
      ) : (
        <ul className="mb-4 max-w-[46rem] divide-y divide-line border-y border-line">
          {data.map((webhook) => (
            <WebhookRow key={webhook.id} webhook={webhook} />
          ))}
        </ul>
      )}
      <Button onClick={() => setIsAdding(true)}>Add a webhook</Button>
      {isAdding && <NewWebhookDialog onClose={() => setIsAdding(false)} />}
    </Section>
  );
}

function WebhookRow({ webhook: { id: webhookId, url, events, last } }: { webhook: Webhook }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [isOpen, setIsOpen] = useState(false);
  const [isArmed, setIsArmed] = useState(false);
  const refresh = () => queries.invalidateQueries({ queryKey: trpc.notifications.pathKey() });
  const onError = (error: unknown) => toast({ text: errorText(error), isError: true });
  const testing = useMutation(
    trpc.notifications.testWebhook.mutationOptions({
      onSuccess: ({ error }) =>
        toast(error ? { text: `The test failed: ${error}`, isError: true } : { text: "The test was taken." }),
      onError,
      onSettled: refresh,
    }),
  );
  const deleting = useMutation(
    trpc.notifications.deleteWebhook.mutationOptions({
      onSuccess: () => toast({ text: "The webhook is deleted." }),
      onError,
      onSettled: refresh,
    }),
  );
  return (
    <li className="space-y-2 py-3">
      <p className="font-medium break-all">{url}</p>
      <p className="text-small text-muted">
        Told of {events.map((kind) => kindNames[kind].toLowerCase()).join(", ")}.{" "}
        {last === null
          ? "Nothing was sent yet."
          : last.error
            ? `Last: ${last.error}`
            : "The last one was taken."}
      </p>
      <div className="flex flex-wrap gap-2">
        <Button small busy={testing.isPending} onClick={() => testing.mutate({ webhookId })}>
          Send a test
        </Button>
        <Button small aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          Deliveries
        </Button>
        <Button
          small
          look={isArmed ? "danger" : "plain"}
          busy={deleting.isPending}
          onBlur={() => setIsArmed(false)}
          onClick={() => (isArmed ? deleting.mutate({ webhookId }) : setIsArmed(true))}
        >
          {isArmed ? "Delete for good" : "Delete"}
        </Button>
      </div>
      {isOpen && <Deliveries webhookId={webhookId} />}
    </li>
  );
}
