/** @file “What was live on 3 March at 14:00?”: the policy, who decided, why, and how people took it. */
"use client";

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { TextField } from "@/app/_components/field";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { LiveThen } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../_frame/section";
import { describeKept } from "./describe-gates";
import { kindWords } from "./kind-words";

export function LiveThenSection() {
  const trpc = useTRPC();
  const [when, setWhen] = useState("");
  const at = when === "" ? null : new Date(when);
  const { data, error } = useQuery(
    trpc.promotion.whatWasLive.queryOptions(
      { at: at ?? new Date(0) },
      { enabled: at !== null, retry: false },
    ),
  );
  return (
    <Section title="What was live then">
      <div className="max-w-xs">
        <TextField
          label="Moment"
          type="datetime-local"
          value={when}
          onChange={(event) => setWhen(event.target.value)}
        />
      </div>
      <div role="status" className="mt-3">
        {error && <Notice tone="error">{errorText(error)}</Notice>}
        {data === null && <p className="text-muted">Nothing was live then.</p>}
        {data && <Then live={data} />}
      </div>
    </Section>
  );
}

function Then({ live }: { live: LiveThen }) {
  const { checkpoint, kind, actor, reason, at, until, received, evidence, notes } = live;
  const { thumbsDown, errors } = received;
  return (
    <div className="max-w-[46rem] space-y-2">
      <p>
        <span className="font-medium">{checkpoint.name}</span>{" "}
        <code className="font-mono">{checkpoint.id.slice(0, 12)}</code>, from <Moment at={at} />{" "}
        {until ? (
          <>
            until <Moment at={until} />
          </>
        ) : (
          "until now"
        )}
        : {kindWords[kind]} by {actor ? actor.name || "an account since deleted" : "the server"}
        {reason && `, because: ${reason}`}.{" "}
        <span className="tabular">
          It gave {errors.n.toLocaleString("en")} answers, of which {errors.hits} failed; of {thumbsDown.n}{" "}
          judged conversations {thumbsDown.hits} had a thumb down.
        </span>
      </p>
      <ul className="text-small text-muted">
        {describeKept(evidence).map((line) => (
          <li key={line} className="tabular wrap-anywhere">
            {line}
          </li>
        ))}
        {notes.map(({ text, by, at: notedAt }) => (
          <li key={new Date(notedAt).getTime()} className="wrap-anywhere">
            Note by {by || "an account since deleted"}: {text}
          </li>
        ))}
      </ul>
    </div>
  );
}
