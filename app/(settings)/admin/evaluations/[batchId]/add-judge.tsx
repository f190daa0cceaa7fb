/** @file Another model is asked about every pair of an evaluation: a reward model, or one elsewhere where an endpoint is set. */
"use client";

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/app/_components/button";
import { SelectField } from "@/app/_components/field";
import { Notice } from "@/app/_components/notice";
import { errorText } from "@/app/_lib/error-text";
import { useTRPC } from "@/app/_lib/trpc";
import { Section } from "../../../_frame/section";

export function AddJudge({ batchId }: { batchId: string }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [chosen, setChosen] = useState("");
  const { data } = useQuery(trpc.rewardModels.list.queryOptions());
  const { data: endpoint } = useQuery(trpc.evaluations.endpoint.queryOptions());
  const adding = useMutation(
    trpc.evaluations.addJudge.mutationOptions({
      onSuccess: () => {
        setChosen("");
        return queries.invalidateQueries({ queryKey: trpc.evaluations.pathKey() });
      },
    }),
  );
  if (!data) return null;
  return (
    <Section
      title="Another judge"
      text="A reward model scores both answers to every prompt, in the background. One that trained either policy is refused: the policy learned to please it."
    >
      {data.length === 0 && !endpoint ? (
        <p className="text-muted">There is no reward model yet. A run of the reward stage makes one.</p>
      ) : (
        <form
          className="flex max-w-xl flex-wrap items-end gap-3"
          onSubmit={(event) => {
            event.preventDefault();
            adding.mutate({ batchId, judge: chosen === "endpoint" ? chosen : { rewardModelId: chosen } });
          }}
        >
          <div className="min-w-48 grow">
            <SelectField
              label="Model"
              required
              value={chosen}
              onChange={({ target }) => setChosen(target.value)}
            >
              <option value="">choose one</option>
              {endpoint && <option value="endpoint">{endpoint}, elsewhere</option>}
              {data.map(({ id, name }) => (
                <option key={id} value={id}>
                  {name} ({id.slice(0, 8)})
                </option>
              ))}
            </SelectField>
          </div>
          <Button type="submit" busy={adding.isPending}>
            Let it judge
          </Button>
        </form>
      )}
      {chosen === "endpoint" && (
        <Notice tone="warning" className="mt-3">
          Every prompt and both answers are sent to the endpoint that this server’s settings name. People
          agreed to their use here: make sure that covers it.
        </Notice>
      )}
      {adding.error && (
        <Notice tone="error" className="mt-3">
          {errorText(adding.error)}
        </Notice>
      )}
    </Section>
  );
}
