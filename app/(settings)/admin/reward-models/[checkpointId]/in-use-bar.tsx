/** @file Whether this reward model scores new rankings first: put to use, taken out of it, what waits and what hinders it. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import Link from "next/link";
import { Button } from "@/app/_components/button";
import { Moment } from "@/app/_components/moment";
import { Notice } from "@/app/_components/notice";
import type { CurrentRewardModel, RewardModelDetail } from "@/app/_lib/api-types";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { describeUnscored } from "../describe-report";

type InUseBarProps = { model: RewardModelDetail; initial: CurrentRewardModel | null };

const pollMs = 10_000;

export function InUseBar({ model, initial }: InUseBarProps) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const { data: current } = useQuery(
    trpc.rewardModels.current.queryOptions(undefined, { initialData: initial, refetchInterval: pollMs }),
  );
  const onSettled = () => queries.invalidateQueries(trpc.rewardModels.current.queryFilter());
  const choose = useMutation(trpc.rewardModels.choose.mutationOptions({ onSettled }));
  const drop = useMutation(trpc.rewardModels.drop.mutationOptions({ onSettled }));
  const error = choose.error ?? drop.error;
  return (
    <div className="mt-4 max-w-[46rem] space-y-2">
      {current?.checkpointId === model.id ? (
        <>
          <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
            <p>
              <span className="font-medium">In use</span> since <Moment at={current.chosenAt} />
              {current.chosenBy !== null && `, by ${current.chosenBy}`}: it scores new rankings before
              anything can learn from them.
            </p>
            <Button small busy={drop.isPending} onClick={() => drop.mutate()}>
              Stop using it
            </Button>
          </div>
          {current.problem ? (
            <Notice tone="warning">
              Since <Moment at={current.problem.at} /> it cannot score: {current.problem.text} New rankings
              are released unscored meanwhile, {current.unscored.toLocaleString("en")} so far, and it is tried
              again every few minutes.
            </Notice>
          ) : (
            <p className="text-small text-muted tabular">{describeUnscored(current.unscored)}</p>
          )}
        </>
      ) : (
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <Button busy={choose.isPending} onClick={() => choose.mutate({ checkpointId: model.id })}>
            Use it for new rankings
          </Button>
          <p className="text-small text-muted">
            {current ? (
              <>
                In use now:{" "}
                <Link
                  href={`/admin/reward-models/${current.checkpointId}`}
                  className="underline decoration-line underline-offset-2"
                >
                  {current.name}
                </Link>
                .
              </>
            ) : (
              "None is in use. One that is scores new rankings before anything can learn from them, so that its accuracy is known as people go on."
            )}
          </p>
        </div>
      )}
      {error && <Notice tone="error">{errorText(error)}</Notice>}
    </div>
  );
}
