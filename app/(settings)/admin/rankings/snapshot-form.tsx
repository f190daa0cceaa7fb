/** @file Makes a dataset of the rankings or demonstrations that are here now. */
"use client";

import { useMutation, useQuery } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField, TextField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import type { RankingsWaiting } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { plural } from "@/app/_lib/format";
import { useTRPC } from "@/app/_lib/trpc";

const pollMs = 10_000;

export function SnapshotForm({ initialWaiting }: { initialWaiting: RankingsWaiting }) {
  const trpc = useTRPC();
  const { data: waiting } = useQuery(
    trpc.exchange.waiting.queryOptions(undefined, { initialData: initialWaiting, refetchInterval: pollMs }),
  );
  const router = useRouter();
  const [name, setName] = useState("");
  const [of, setOf] = useState<"rankings" | "demonstrations">("rankings");
  const [floor, setFloor] = useState("");
  const [minRating, setMinRating] = useState<number | null>(null);
  const onSuccess = ({ id }: { id: string }) => router.push(`/admin/datasets/${id}`);
  const rankings = useMutation(trpc.exchange.snapshotRankings.mutationOptions({ onSuccess }));
  const written = useMutation(trpc.exchange.snapshotDemonstrations.mutationOptions({ onSuccess }));
  const error = of === "rankings" ? rankings.error : written.error;
  const make = () => {
    if (of === "demonstrations") written.mutate({ name, minRating });
    else rankings.mutate({ name, filter: {}, agreementFloor: floor === "" ? null : Number(floor) / 100 });
  };
  return (
    <section aria-label="Make a dataset" className="max-w-[38rem] space-y-4">
      <SelectField
        label="Made of"
        hint="The work of held-out groups, of labelers set aside, and prompts without consent are left out."
        value={of}
        onChange={({ target }) => setOf(target.value === "demonstrations" ? "demonstrations" : "rankings")}
      >
        <option value="rankings">Rankings, for a reward model</option>
        <option value="demonstrations">Demonstrations, for SFT</option>
      </SelectField>
      <TextField
        label="Name of the dataset"
        maxLength={100}
        value={name}
        onChange={({ target }) => setName(target.value)}
      />
      {of === "rankings" && waiting && <Waiting {...waiting} />}
      {of === "rankings" && (
        <TextField
          label="Least agreement within a task, in %"
          error={Number(floor) > 100 ? "At most 100 %." : null}
          hint="Empty: all tasks. Tasks ranked by one labeler always stay."
          inputMode="numeric"
          value={floor}
          onChange={({ target }) => setFloor(target.value.replace(/[^0-9]/g, "").slice(0, 3))}
        />
      )}
      {of === "demonstrations" && (
        <SelectField
          label="Least rating"
          hint="Of the review, 1-7. With a least rating, those nobody has reviewed are left out."
          value={minRating ?? ""}
          onChange={({ target }) => setMinRating(target.value === "" ? null : Number(target.value))}
        >
          <option value="">any, also not reviewed</option>
          {[1, 2, 3, 4, 5, 6, 7].map((rating) => (
            <option key={rating} value={rating}>
              {rating === 7 ? "7" : `${rating} or higher`}
            </option>
          ))}
        </SelectField>
      )}
      {error && <Notice tone="error">{errorText(error)}</Notice>}
      <Button
        look="primary"
        disabled={name.trim() === "" || Number(floor) > 100 || rankings.isPending || written.isPending}
        onClick={make}
      >
        Make the dataset
      </Button>
    </section>
  );
}

/** Rankings that the reward model in use has still to score are left out; where it cannot score, none is. */
function Waiting({ rewardModel, waiting, isHindered }: NonNullable<RankingsWaiting>) {
  if (isHindered) {
    return (
      <Notice>
        {rewardModel} is to score new rankings first, but cannot at present: they are taken in unscored.
      </Notice>
    );
  }
  if (waiting === 0) return null;
  return (
    <Notice>
      {plural(waiting, "ranking waits", "rankings wait")} to be scored by {rewardModel} first. A dataset made
      now is made without {waiting === 1 ? "it" : "them"}.
    </Notice>
  );
}
