/** @file The answer to the consent question, what it means, and every answer given so far. */
"use client";

import Link from "next/link";
import { type Column, DataTable } from "@/app/_components/data-table";
import { Moment } from "@/app/_components/moment";
import { Switch } from "@/app/_components/switch";
import type { ConsentEvent, Profile } from "@/app/_lib/api-types";
import { useAnswerConsent } from "@/app/_lib/use-answer-consent";
import { Section } from "../_frame/section";

export function ConsentSection({ profile, events }: { profile: Profile; events: ConsentEvent[] }) {
  const answering = useAnswerConsent();
  // While the answer is on its way the switch shows it already.
  const granted = answering.isPending ? answering.variables.granted : profile.consent.granted;

  return (
    <Section title="Use of your conversations">
      <div className="max-w-[38rem]">
        <Switch
          label="May be used to improve the assistant"
          hint="People who rate answers on this server may then read your questions and their answers, and models may be trained on them. Nothing leaves this server. Switched off, everything is left out of whatever is made from then on. A single conversation can be decided otherwise in its settings; temporary chats are never used."
          checked={granted}
          onChange={(checked) => answering.mutate({ granted: checked })}
        />
      </div>
      {events.length > 0 && (
        <details className="mt-3">
          <summary className="text-small text-muted">Your answers so far ({events.length})</summary>
          <div className="mt-2 max-w-[38rem]">
            <DataTable
              caption="Your answers so far"
              columns={columns}
              rows={events}
              rowKey={({ at, conversationId }) => `${at.toISOString()} ${conversationId}`}
            />
          </div>
        </details>
      )}
    </Section>
  );
}

const columns: Column<ConsentEvent>[] = [
  { title: "When", cell: ({ at }) => <Moment at={at} /> },
  {
    title: "For",
    cell: ({ conversationId }) =>
      conversationId ? (
        <Link href={`/c/${conversationId}`} className="text-accent underline underline-offset-2">
          one conversation
        </Link>
      ) : (
        "the account"
      ),
  },
  {
    title: "Answer",
    cell: ({ granted }) => (granted === null ? "as the account says" : granted ? "may be used" : "not used"),
  },
];
