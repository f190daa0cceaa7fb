/** @file One sitting: the answers behind its figures, and the lead's own decision with its reason. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { DataTable } from "@/app/_components/data-table";
import { Dialog } from "@/app/_components/dialog";
import { TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { Pulse } from "@/app/_components/pulse";
import { useToast } from "@/app/_components/toast";
import type { SittingDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { formatDuration } from "@/app/_lib/format";
import { letterOf } from "@/app/_lib/letter-of";
import { useTRPC } from "@/app/_lib/trpc";
import { CriteriaTable, percentOf } from "../../label/qualification/criteria-table";
import { sittingStatusNames } from "./sitting-columns";

export function SittingDialog({ sittingId, onClose }: { sittingId: string; onClose: () => void }) {
  const trpc = useTRPC();
  const { data, error } = useQuery(trpc.qualification.sitting.queryOptions({ sittingId }));
  return (
    <Dialog
      open
      wide
      onOpenChange={(open) => !open && onClose()}
      title={data ? `${data.labeler.name}: ${sittingStatusNames[data.status]}` : "A sitting"}
    >
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      {!data && !error && <Pulse>The answers are on their way</Pulse>}
      {data && <SittingBody sitting={data} onDone={onClose} />}
    </Dialog>
  );
}

function SittingBody({ sitting, onDone }: { sitting: SittingDetail; onDone: () => void }) {
  const { progress, rankings, demonstrations } = sitting;
  return (
    <div className="space-y-6">
      {progress && (
        <p className="tabular">
          {progress.answered} of {progress.total} tasks answered.
        </p>
      )}
      <CriteriaTable
        figures={sitting}
        cutoffs={sitting.cutoffs}
        verdicts={sitting.verdicts}
        areas={sitting.areas}
      />
      {sitting.isNewest && <DecisionForm sitting={sitting} onDone={onDone} />}
      {rankings.map((ranking, index) => (
        <RankingAnswer key={ranking.taskId} number={index + 1} ranking={ranking} />
      ))}
      {demonstrations.map(({ id, prompt, text, rating, comment }, index) => (
        <section key={id} className="border-t border-line pt-3">
          <h3 className="font-medium">Demonstration {index + 1}</h3>
          <p className="mt-1 text-small text-muted whitespace-pre-wrap break-words">
            {prompt ?? "The prompt may not be read any more."}
          </p>
          <p className="mt-2 whitespace-pre-wrap break-words">{text}</p>
          <p className="mt-1 text-small">
            {rating === null ? (
              <Link href="/admin/demonstrations" className="text-accent underline underline-offset-2">
                Not rated yet
              </Link>
            ) : (
              `Rated ${rating} of 7${comment ? `: ${comment}` : ""}`
            )}
          </p>
        </section>
      ))}
    </div>
  );
}

type RankingAnswerProps = { number: number; ranking: SittingDetail["rankings"][number] };

function RankingAnswer({ number, ranking }: RankingAnswerProps) {
  const { prompt, responses, activeMs, rankingAgreement, flagAgreement } = ranking;
  const rows = responses.map((response, index) => ({ ...response, letter: letterOf(index) }));
  return (
    <section className="border-t border-line pt-3">
      <h3 className="font-medium">Ranking {number}</h3>
      <p className="mt-1 text-small text-muted whitespace-pre-wrap break-words">
        {prompt ?? "The prompt may not be read any more."}
      </p>
      <p className="mt-1 text-small tabular">
        Rankings {percentOf(rankingAgreement)}, flags {percentOf(flagAgreement)},{" "}
        {formatDuration(activeMs / 1000)} active
      </p>
      <DataTable
        caption={`Ranking ${number}`}
        rows={rows}
        rowKey={({ id }) => id}
        columns={[
          {
            title: "Response",
            cell: ({ letter, text }) => (
              <div className="min-w-40">
                <span className="font-medium">{letter}</span>
                <p className="line-clamp-3 text-small break-words">{text ?? "not to be read"}</p>
              </div>
            ),
          },
          { title: "Expected", isNumber: true, cell: ({ expectedRank }) => expectedRank ?? "–" },
          { title: "Given", isNumber: true, cell: ({ rank }) => rank },
          {
            title: "Flags expected",
            cell: ({ expectedFlags }) => (
              <span className="text-small">
                {expectedFlags === null ? "–" : expectedFlags.join(", ") || "none"}
              </span>
            ),
          },
          {
            title: "Flags given",
            cell: ({ flags }) => <span className="text-small">{flags.join(", ") || "none"}</span>,
          },
        ]}
      />
    </section>
  );
}

function DecisionForm({ sitting, onDone }: { sitting: SittingDetail; onDone: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const toast = useToast();
  const [reason, setReason] = useState("");
  const deciding = useMutation(
    trpc.qualification.decide.mutationOptions({
      onSuccess: async (_, { isPassed }) => {
        toast({
          text: isPassed
            ? `${sitting.labeler.name} is qualified.`
            : `${sitting.labeler.name} has not passed and is given no work.`,
        });
        await queries.invalidateQueries({ queryKey: trpc.qualification.pathKey() });
        onDone();
      },
    }),
  );
  const decide = (isPassed: boolean) => deciding.mutate({ sittingId: sitting.id, isPassed, reason });
  const isReady = reason.trim() !== "" && !deciding.isPending;
  return (
    <form className="space-y-3" onSubmit={(event) => event.preventDefault()}>
      <TextField
        label="Decide otherwise than the cut-offs"
        hint="The reason is recorded, and the labeler reads it."
        maxLength={500}
        value={reason}
        onChange={({ target }) => setReason(target.value)}
      />
      {deciding.error && <Notice tone="error">{errorText(deciding.error)}</Notice>}
      <div className="flex flex-wrap gap-2">
        {sitting.status !== "passed" && (
          <Button disabled={!isReady} onClick={() => decide(true)}>
            Pass
          </Button>
        )}
        {sitting.status !== "failed" && (
          <Button look="danger" disabled={!isReady} onClick={() => decide(false)}>
            {sitting.status === "passed" ? "Take it back" : "Fail"}
          </Button>
        )}
      </div>
    </form>
  );
}
