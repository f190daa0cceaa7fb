/** @file Notifications by mail: on or off for oneself, a test, and what became of the last ones. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { Notice } from "@/app/_components/notice";
import { Switch } from "@/app/_components/switch";
import { useToast } from "@/app/_components/toast";
import type { OwnMail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { DeliveryTable } from "./delivery-table";

export function MailSection({ initialMail }: { initialMail: OwnMail }) {
  const trpc = useTRPC();
  const [isOpen, setIsOpen] = useState(false);
  const { data, error } = useQuery(
    trpc.notifications.mail.queryOptions(undefined, { initialData: initialMail, refetchInterval: 15_000 }),
  );
  const { choosing, testing, retrying } = useMailActs();
  const { isConfigured, wantsMail, address, deliveries } = data;
  const last = deliveries[0];
  return (
    <Section
      title="Mail"
      text="Each admin chooses for themselves. What is not taken is tried again for two days."
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {isConfigured ? (
        <div className="max-w-[38rem] space-y-3">
          <Switch
            label="Mail me"
            hint={`Everything in the list above, to ${address}.`}
            checked={wantsMail}
            disabled={choosing.isPending}
            onChange={(wanted) => choosing.mutate({ wantsMail: wanted })}
          />
          {last?.error && <Notice tone="error">{`The last mail was not taken. ${last.error}`}</Notice>}
          <div className="flex flex-wrap gap-2">
            <Button small busy={testing.isPending} onClick={() => testing.mutate()}>
              Send a test mail
            </Button>
            {last && (
              <Button small aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
                Mails to me
              </Button>
            )}
          </div>
        </div>
      ) : (
        <p className="max-w-[38rem] text-muted">
          No mail server is set. Whoever runs this server names one with ATTUNE_SMTP_URL and ATTUNE_MAIL_FROM.
        </p>
      )}
      {isConfigured && isOpen && (
        <div className="mt-3">
          <DeliveryTable
            caption="Mails to me"
            rows={deliveries}
            isRetrying={retrying.isPending}
            onRetry={(deliveryId) => retrying.mutate({ deliveryId })}
          />
        </div>
      )}
    </Section>
  );
}

function useMailActs() {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const always = {
    onError: (error: unknown) => toast({ text: errorText(error), isError: true }),
    onSettled: () => queries.invalidateQueries({ queryKey: trpc.notifications.mail.pathKey() }),
  };
  const choosing = useMutation(trpc.notifications.chooseMail.mutationOptions(always));
  const retrying = useMutation(trpc.notifications.retryMail.mutationOptions(always));
  const testing = useMutation(
    trpc.notifications.testMail.mutationOptions({
      ...always,
      onSuccess: ({ error }) =>
        toast(
          error ? { text: `The test failed. ${error}`, isError: true } : { text: "The test mail was taken." },
        ),
    }),
  );
  return { choosing, testing, retrying };
}
